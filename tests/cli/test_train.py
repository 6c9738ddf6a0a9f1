"""`lipcert train` as a person runs it: what it leaves behind, how it is stopped, and what it refuses."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from safetensors import safe_open
from typer.testing import CliRunner, Result

from lipcert.checkpoint.lipcert import TRAINING
from lipcert.cli.main import app
from lipcert.errors import DivergedError, ExitCode, InputError, OutputError, UsageError
from lipcert.store.lock import LOCK_NAME
from lipcert.store.run import read_training
from lipcert.training.folder import CHECKPOINT
from lipcert.training.ranks import Ranks
from lipcert.training.state import STATE, read_state

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
    return launch([*arguments(out, **changes), "--seconds", "0", *more])


def launch(given: list[str], before: str = "", **environment: str) -> "subprocess.Popen[str]":
    """before: Python that the process runs first."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    code = f"{before}\nimport sys; from lipcert.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *given]
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
    said = f"lipcert: stopped, and saved in {tmp_path / 'run'}\nGo on with --resume.\n"
    assert output.endswith(said)
    assert "interrupted" not in output
    assert (tmp_path / "run" / STATE).exists()
    assert (tmp_path / "run" / CHECKPOINT).exists()


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_what_was_saved(tmp_path: Path) -> None:
    result = invoke(tmp_path / "run", optimizer="adamw", constraint="none", w_max="none", lr=1e30, steps=20)
    assert isinstance(result.exception, DivergedError), result.output
    assert "step " in result.exception.message
    assert "layer" in result.exception.message


def test_weights_that_a_step_has_spoilt_are_neither_measured_nor_kept(tmp_path: Path) -> None:
    every = {"evaluate_every": 1, "watch_every": 1, "bound_every": 1, "save_every": 1}
    result = invoke(tmp_path / "run", optimizer="adamw", constraint="none", w_max="none", lr=1e30, steps=20, **every)
    assert isinstance(result.exception, DivergedError), result.output
    assert result.exception.message.startswith("step 1: after it the loss is")
    kept = read_state(tmp_path / "run")
    assert kept.step == 0
    assert all(tensor.isfinite().all() for tensor in kept.model.values())


def test_a_run_is_replaced_with_all_that_it_left(tmp_path: Path) -> None:
    """Also where the new one fails at once: it has other shapes, and nothing of the old one may pass for its."""
    out = tmp_path / "run"
    assert invoke(out).exit_code == 0
    for name in (STATE, CHECKPOINT):  # as a kill in the midst of writing leaves them
        (out / f".{name}.1a2b3c4d.tmp").touch()
    changes = {"width": 16, "optimizer": "adamw", "constraint": "none", "w_max": "none", "lr": 1e30, "save_every": 0}
    result = invoke(out, "--force", **changes)
    assert isinstance(result.exception, DivergedError), result.output
    assert read_state(out).recipe["width"] == 16
    assert {path.name for path in out.iterdir()} == {
        LOCK_NAME, STATE, CHECKPOINT, "metrics.csv", "activations.csv", "spectra.csv"
    }  # fmt: skip


def test_a_run_is_not_replaced_by_one_that_cannot_begin(whole: Path) -> None:
    before = {path.name: path.read_bytes() for path in whole.iterdir() if path.is_file()}
    assert isinstance(invoke(whole, "--force", data="missing.txt").exception, InputError)
    assert before == {path.name: path.read_bytes() for path in whole.iterdir() if path.is_file()}


def test_a_run_that_was_killed_before_its_first_save_has_a_state(tmp_path: Path) -> None:
    process = start(tmp_path / "run", steps=100000, save_every=0, evaluate_every=0)
    until(tmp_path / "run", 1, process)
    process.kill()
    finish(process)
    assert read_state(tmp_path / "run").step == 0


def test_processes_that_cannot_share_a_batch_are_refused() -> None:
    Ranks(1, 2).require_shares(8, 4)
    with pytest.raises(UsageError, match="8 in 4 parts has no equal shares for 4"):
        Ranks(1, 4).require_shares(8, 4)


def test_what_is_not_there_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoke(tmp_path / "run", device="cuda:99")
    assert isinstance(result.exception, UsageError)
    assert "cuda:99" in result.exception.message
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    assert "WORLD_SIZE is 2" in str(invoke(tmp_path / "run", device="cpu").exception)


def test_a_network_that_cannot_be_compiled_is_no_bug(tmp_path: Path) -> None:
    given, cache = [*arguments(tmp_path / "run"), "--compile"], str(tmp_path / "cache")
    process = launch(given, CXX="/nonexistent", TORCHINDUCTOR_CACHE_DIR=cache)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == ExitCode.USAGE, said
    assert "Install a C++ compiler" in said


def test_a_disk_that_is_full_leaves_whole_files(tmp_path: Path) -> None:
    """Files of at most so many bytes: the table of metrics is the first that does not fit."""
    out, limit = tmp_path / "run", 50_000
    line = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    process = launch(arguments(out, steps=100000, evaluate_every=0, save_every=10), line)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == ExitCode.OUTPUT, said
    assert "--resume" in said
    assert rows(out).step.iloc[-1] >= read_state(out).step > 0
    assert CliRunner().invoke(app, ["bound", str(out / CHECKPOINT), "--seconds", "0"]).exit_code == 0


def test_a_log_has_lines_and_no_bar_and_stdout_has_the_result_alone(tmp_path: Path) -> None:
    process = start(tmp_path / "run", "--json", bound_every=3, steps=7)
    found, said = process.communicate(timeout=300)
    assert json.loads(found)["finished"]
    lines = said.splitlines()
    assert all(lines), lines
    assert "\x1b" not in said
    assert [line.partition(":")[0] for line in lines if line.startswith("step")] == ["step 3", "step 6", "step 7"]
    assert [", bound" in line for line in lines if line.startswith("step")] == [True, True, False]


def test_the_command_that_is_stored_and_the_one_that_is_named_give_the_same_bound(whole: Path, tmp_path: Path) -> None:
    found = read_training(whole / "train.json")[0]
    again = [*shlex.split(found["command"])[1:], "--out", str(tmp_path / "again")]
    result = CliRunner().invoke(app, again)
    assert result.exit_code == 0, result.output
    assert read_training(tmp_path / "again" / "train.json")[0]["bounds"] == found["bounds"]
    line = next(line for line in result.stdout.splitlines() if line.startswith("bound it"))
    result = CliRunner().invoke(app, [*shlex.split(line)[3:], "--seconds", "0", "--json"])
    assert json.loads(result.stdout)["upper"] == found["bounds"][0]["upper"]


def test_another_recipe_is_not_resumed(whole: Path) -> None:
    before = {path.name: path.read_bytes() for path in whole.iterdir() if path.is_file()}
    result = invoke(whole, "--resume", lr=0.2)
    assert isinstance(result.exception, InputError)
    assert "lr: 0.1 there, 0.2 now" in result.exception.message
    assert before == {path.name: path.read_bytes() for path in whole.iterdir() if path.is_file()}


def test_a_run_without_its_history_is_not_resumed(tmp_path: Path) -> None:
    assert invoke(tmp_path / "run").exit_code == 0
    path = tmp_path / "run" / "metrics.csv"
    path.write_bytes(path.read_bytes().partition(b"\n")[0] + b"\n")
    result = invoke(tmp_path / "run", "--resume")
    assert isinstance(result.exception, InputError)
    assert "metrics.csv" in result.exception.message


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
        'version = 1\n[train.tiny]\nmodel = "gpt"\ndata = "shakespeare"\ncontext = 8\nwidth = 8\nlayers = 1\n'
        'heads = 2\nbatch = 4\nsteps = 2\noptimizer = "muon"\nlr = 0.1\n'
    )
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["train", "tyni"])
    assert isinstance(result.exception, UsageError)
    assert "tiny" in result.exception.hint


def test_a_pair_that_guarantees_nothing_says_so_wherever_it_appears(tmp_path: Path) -> None:
    result = invoke(tmp_path / "run", constraint="spectral_hammer")
    assert result.exit_code == 0, result.output
    assert "unguaranteed" in result.output
    assert any(line.startswith("unguaranteed") for line in result.stderr.splitlines())
    assert not read_training(tmp_path / "run" / "train.json")[0]["guarantee"]["holds"]
    with safe_open(tmp_path / "run" / CHECKPOINT, "np") as file:
        assert json.loads(file.metadata()[TRAINING])["guaranteed"] is False
