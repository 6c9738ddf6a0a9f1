"""A folder that holds a run: replaced or resumed only on request, and only by what fits."""

from pathlib import Path

from lipcert.errors import DivergedError, InputError, OutputError
from lipcert.store.lock import LOCK_NAME
from lipcert.training.folder import CHECKPOINT
from lipcert.training.state import STATE, read_state
from tests.cli.train_runs import invoke


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


def test_a_run_is_not_replaced_by_one_that_cannot_begin(finished_run: Path) -> None:
    before = {path.name: path.read_bytes() for path in finished_run.iterdir() if path.is_file()}
    assert isinstance(invoke(finished_run, "--force", data="missing.txt").exception, InputError)
    assert before == {path.name: path.read_bytes() for path in finished_run.iterdir() if path.is_file()}


def test_another_recipe_is_not_resumed(finished_run: Path) -> None:
    before = {path.name: path.read_bytes() for path in finished_run.iterdir() if path.is_file()}
    result = invoke(finished_run, "--resume", lr=0.2)
    assert isinstance(result.exception, InputError)
    assert "lr: 0.1 there, 0.2 now" in result.exception.message
    assert before == {path.name: path.read_bytes() for path in finished_run.iterdir() if path.is_file()}


def test_a_run_without_its_history_is_not_resumed(tmp_path: Path) -> None:
    assert invoke(tmp_path / "run").exit_code == 0
    path = tmp_path / "run" / "metrics.csv"
    path.write_bytes(path.read_bytes().partition(b"\n")[0] + b"\n")
    result = invoke(tmp_path / "run", "--resume")
    assert isinstance(result.exception, InputError)
    assert "metrics.csv" in result.exception.message


def test_a_run_that_is_there_is_not_replaced_unasked(finished_run: Path) -> None:
    result = invoke(finished_run)
    assert isinstance(result.exception, OutputError)
    assert "--resume" in result.exception.hint
