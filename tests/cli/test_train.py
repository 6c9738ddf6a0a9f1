"""`lipcert train` as a person runs it: what it leaves behind, how it is stopped, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from lipcert.cli.main import app
from lipcert.errors import DivergedError, ExitCode, InputError, OutputError, UsageError
from lipcert.store.run import read_training
from lipcert.training.folder import CHECKPOINT
from lipcert.training.state import STATE

TINY = {
    "model": "gpt", "data": "shakespeare", "context": 8, "width": 8, "layers": 1, "heads": 2, "batch": 4, "steps": 6,
    "optimizer": "muon", "lr": 0.1, "constraint": "soft_cap", "w_max": 1, "embedding_cap": 1, "save_every": 2,
    "evaluate_every": 3, "validation_batches": 2, "schedule": "linear",
}  # fmt: skip
TIMES = ["seconds", "tokens_per_second"]


def arguments(out: Path, **changes: object) -> list[str]:
    flags = {**TINY, **changes, "out": str(out)}
    return ["train", *(part for key, value in flags.items() for part in (f"--{key.replace('_', '-')}", str(value)))]


def invoke(out: Path, *more: str, **changes: object) -> Result:
    return CliRunner().invoke(app, [*arguments(out, **changes), "--seconds", "0", *more])


def rows(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "metrics.csv").drop(columns=TIMES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    result = invoke(out, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["guaranteed"] is True
    return out


def test_a_run_leaves_a_checkpoint_and_its_history(whole: Path) -> None:
    found, tables = read_training(whole / "train.json")
    assert found["steps"] == len(tables["metrics"]) == TINY["steps"]
    assert found["guarantee"]["holds"]
    assert all(each["norm"] <= each["w_max"] for each in found["guarantee"]["norms"].values())
    assert {row["precision"] for row in tables["casts"]} == {"float32", "bfloat16", "float8_e4m3fn"}
    assert tables["activations"]
    assert tables["spectra"]


def test_bound_and_verify_accept_the_checkpoint(whole: Path, tmp_path: Path) -> None:
    certificate = str(tmp_path / "certificate.json")
    command = ["bound", str(whole / CHECKPOINT), "--norm", "token-rms", "--seconds", "0", "--certificate", certificate]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert CliRunner().invoke(app, ["verify", certificate, str(whole / CHECKPOINT)]).exit_code == 0


def test_the_same_seed_gives_the_same_bits(whole: Path, tmp_path: Path) -> None:
    assert invoke(tmp_path / "run").exit_code == 0
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() != b""
    pd.testing.assert_frame_equal(rows(whole), rows(tmp_path / "run"))
    first, second = (read_training(out / "train.json")[0]["model"] for out in (whole, tmp_path / "run"))
    assert first == second


def start(out: Path, *more: str, **changes: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "lipcert.cli.main", *arguments(out, **changes), "--seconds", "0", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process: "subprocess.Popen[str]") -> int:
    """Wait for the end; its exit code."""
    process.communicate(timeout=300)
    return process.returncode


def until(out: Path, steps: int, process: "subprocess.Popen[str]") -> None:
    """Wait until so many steps are in the metrics."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        path = out / "metrics.csv"
        if path.exists() and path.read_bytes().count(b"\n") > steps:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)
    raise AssertionError("no step in two minutes")


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 7, 12])
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, steps: int) -> None:
    changes = {"steps": 40, "save_every": 5}
    assert finish(start(tmp_path / "whole", **changes)) == 0
    process = start(tmp_path / "killed", **changes)
    until(tmp_path / "killed", steps, process)
    process.kill()
    finish(process)
    more = ["--resume"] if (tmp_path / "killed" / STATE).exists() else ["--force"]
    assert finish(start(tmp_path / "killed", *more, **changes)) == 0
    pd.testing.assert_frame_equal(rows(tmp_path / "whole"), rows(tmp_path / "killed"))
    first, second = (read_training(tmp_path / name / "train.json")[0] for name in ("whole", "killed"))
    assert first["model"] == second["model"]
    assert first["results"] == second["results"]


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    process = start(tmp_path / "run", steps=100000, save_every=0, evaluate_every=0)
    until(tmp_path / "run", 2, process)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[1]
    assert process.returncode == ExitCode.INTERRUPTED, output
    assert "--resume" in output
    assert (tmp_path / "run" / STATE).exists()
    assert (tmp_path / "run" / CHECKPOINT).exists()


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_what_was_saved(tmp_path: Path) -> None:
    result = invoke(tmp_path / "run", optimizer="adamw", constraint="none", w_max="none", lr=1e30, steps=20)
    assert isinstance(result.exception, DivergedError), result.output
    assert "step " in result.exception.message
    assert "layer" in result.exception.message


def test_another_recipe_is_not_resumed(whole: Path) -> None:
    before = {path.name: path.read_bytes() for path in whole.iterdir() if path.is_file()}
    result = invoke(whole, "--resume", lr=0.2)
    assert isinstance(result.exception, InputError)
    assert "lr: 0.1 there, 0.2 now" in result.exception.message
    assert before == {path.name: path.read_bytes() for path in whole.iterdir() if path.is_file()}


def test_a_run_that_is_there_is_not_replaced_unasked(whole: Path) -> None:
    result = invoke(whole)
    assert isinstance(result.exception, OutputError)
    assert "--resume" in result.exception.hint


@pytest.mark.parametrize(
    ("changes", "seen", "error"),
    [
        ({"model": "gtp"}, "gpt", UsageError),
        ({"constraint": "softcap"}, "soft_cap", UsageError),
        ({"data": "missing.txt"}, "missing.txt", InputError),
        ({"context": 10**7}, "context", InputError),
        ({"vocabulary": 7}, "vocabulary", InputError),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, object], seen: str, error: type[Exception]
) -> None:
    result = invoke(tmp_path / "run", **changes)
    assert isinstance(result.exception, error), result.output
    assert seen in str(result.exception)
    assert not (tmp_path / "run" / STATE).exists()


def test_an_unknown_recipe_is_answered_with_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lipcert.toml").write_text(
        'version = 1\n[train.tiny]\nmodel = "gpt"\ndata = "shakespeare"\ncontext = 8\nwidth = 8\nlayers = 1\nheads = 2\n'
        'batch = 4\nsteps = 2\noptimizer = "muon"\nlr = 0.1\n'
    )
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["train", "tyni"])
    assert isinstance(result.exception, UsageError)
    assert "tiny" in result.exception.hint


def test_a_pair_that_guarantees_nothing_says_so_wherever_it_appears(tmp_path: Path) -> None:
    result = invoke(tmp_path / "run", constraint="spectral_hammer")
    assert result.exit_code == 0, result.output
    assert "unguaranteed" in result.output
    assert not read_training(tmp_path / "run" / "train.json")[0]["guarantee"]["holds"]
