"""How a run ends early: killed, by Ctrl-C, on a loss that is no number, on a full disk."""

import resource
import signal
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from typer.testing import CliRunner

from lipcert.cli.main import app
from lipcert.errors import DivergedError, ExitCode, OutputError
from lipcert.store.run import read_training
from lipcert.training.folder import CHECKPOINT
from lipcert.training.state import STATE, read_state
from tests.cli.train_runs import finish, invoke, rows, start, until


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


class Interrupted(NamedTuple):
    """A run in a process of its own that got Ctrl-C before its first save."""

    out: Path
    step_before: int
    exit_code: int
    said: str


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    out = tmp_path_factory.mktemp("stopped") / "run"
    process = start(out, steps=100000, save_every=0, evaluate_every=0)
    until(out, 2, process)
    step = read_state(out).step
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    return Interrupted(out, step, process.returncode, said)


def test_ctrl_c_saves_and_says_how_to_go_on(interrupted: Interrupted) -> None:
    assert interrupted.exit_code == ExitCode.INTERRUPTED, interrupted.said
    assert interrupted.said.endswith(f"lipcert: stopped, and saved in {interrupted.out}\nGo on with --resume.\n")
    assert "interrupted" not in interrupted.said
    assert read_state(interrupted.out).step >= 2
    assert (interrupted.out / CHECKPOINT).exists()


def test_a_run_has_a_state_before_its_first_save(interrupted: Interrupted) -> None:
    """What a kill would leave there."""
    assert interrupted.step_before == 0


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


def test_a_disk_that_is_full_leaves_whole_files(tmp_path: Path) -> None:
    """Files of at most so many bytes: the table of metrics is the first that does not fit."""
    out, (_, most) = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (22_000, most))
    try:
        result = invoke(out, width=4, heads=1, steps=100000, evaluate_every=0, save_every=50)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert isinstance(result.exception, OutputError), result.output
    assert "--resume" in result.exception.hint
    assert rows(out).step.iloc[-1] >= read_state(out).step > 0
    assert CliRunner().invoke(app, ["bound", str(out / CHECKPOINT), "--seconds", "0"]).exit_code == 0
