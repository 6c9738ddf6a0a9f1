"""`lipcert train` as a person runs it: what it says, what it leaves behind, and what it refuses."""

import json
import shlex
from pathlib import Path

import pandas as pd
import pytest
import torch._inductor.config
from safetensors import safe_open
from typer.testing import CliRunner

from lipcert.checkpoint.lipcert import TRAINING
from lipcert.cli.main import app
from lipcert.errors import InputError, UsageError
from lipcert.store.run import read_training
from lipcert.training.folder import CHECKPOINT
from lipcert.training.ranks import Ranks
from lipcert.training.state import STATE
from tests.cli.train_runs import TINY, invoke, rows


def test_a_run_leaves_a_checkpoint_and_its_history(finished_run: Path) -> None:
    found, tables = read_training(finished_run / "train.json")
    assert found["steps"] == len(tables["metrics"]) == TINY["steps"]
    assert found["guarantee"]["holds"]
    assert all(each["norm"] <= each["w_max"] for each in found["guarantee"]["norms"].values())
    assert {row["precision"] for row in tables["casts"]} == {"float32", "bfloat16", "float8_e4m3fn"}
    assert tables["activations"]
    assert tables["spectra"]


def test_bound_and_verify_accept_the_checkpoint(finished_run: Path, tmp_path: Path) -> None:
    certificate = str(tmp_path / "certificate.json")
    checkpoint, norm = str(finished_run / CHECKPOINT), "token-rms"
    command = ["bound", checkpoint, "--norm", norm, "--seconds", "0", "--certificate", certificate]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert CliRunner().invoke(app, ["verify", certificate, checkpoint]).exit_code == 0


def test_the_same_seed_gives_the_same_bits(finished_run: Path, tmp_path: Path) -> None:
    assert invoke(tmp_path / "run").exit_code == 0
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() != b""
    pd.testing.assert_frame_equal(rows(finished_run), rows(tmp_path / "run"))
    first, second = (read_training(out / "train.json")[0]["model"] for out in (finished_run, tmp_path / "run"))
    assert first == second


def test_the_command_that_is_stored_and_the_one_that_is_named_give_the_same_bound(
    finished_run: Path, tmp_path: Path
) -> None:
    found = read_training(finished_run / "train.json")[0]
    again = [*shlex.split(found["command"])[1:], "--out", str(tmp_path / "again")]
    result = CliRunner().invoke(app, again)
    assert result.exit_code == 0, result.output
    assert read_training(tmp_path / "again" / "train.json")[0]["bounds"] == found["bounds"]
    line = next(line for line in result.stdout.splitlines() if line.startswith("bound it"))
    result = CliRunner().invoke(app, [*shlex.split(line)[3:], "--seconds", "0", "--json"])
    assert json.loads(result.stdout)["upper"] == found["bounds"][0]["upper"]


def test_a_log_has_lines_and_no_bar_and_stdout_has_the_result_alone(tmp_path: Path) -> None:
    result = invoke(tmp_path / "run", "--json", steps=5, evaluate_every=2, bound_every=4)
    assert json.loads(result.stdout)["finished"]
    lines = result.stderr.splitlines()
    assert all(lines), lines
    assert "\x1b" not in result.stderr
    assert [line.partition(":")[0] for line in lines if line.startswith("step")] == ["step 2", "step 4", "step 5"]
    assert [", bound" in line for line in lines if line.startswith("step")] == [False, True, False]


def test_a_pair_that_guarantees_nothing_says_so_wherever_it_appears(tmp_path: Path) -> None:
    result = invoke(tmp_path / "run", constraint="spectral_hammer")
    assert result.exit_code == 0, result.output
    assert "unguaranteed" in result.output
    assert any(line.startswith("unguaranteed") for line in result.stderr.splitlines())
    assert not read_training(tmp_path / "run" / "train.json")[0]["guarantee"]["holds"]
    with safe_open(tmp_path / "run" / CHECKPOINT, "np") as file:
        assert json.loads(file.metadata()[TRAINING])["guaranteed"] is False


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


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's compiler, as it is imported
def test_a_network_that_cannot_be_compiled_is_no_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    with torch._inductor.config.patch({"cpp.cxx": ("/nonexistent",)}):
        result = invoke(tmp_path / "run", "--compile")
    assert isinstance(result.exception, UsageError), result.output
    assert "Install a C++ compiler" in result.exception.hint


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
