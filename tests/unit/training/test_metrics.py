"""The rows of a run: on the disk as they come, the same after a resume, and in TensorBoard."""

import sys
from pathlib import Path
from typing import Any

import pytest

from lipcert.errors import OutputError, UsageError
from lipcert.store.table import write_table
from lipcert.training.metrics import BOARD, COLUMNS, METRICS, Metrics, Row, read_metrics


def row(step: int, **measured: Any) -> Row:
    return Row(step, 0.5 * step, 64 * step, 3.5 / step, 0.1, 1.0, 128.0, **measured)


def test_each_row_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, resume_at=None, tensorboard=False)
    assert read_metrics(tmp_path) == []
    rows = [row(1), row(2, accuracy=0.25, validation_loss=1 / 3, validation_accuracy=0.5, log10_bound=264.5)]
    for number, each in enumerate(rows, 1):
        metrics.add(each)
        assert read_metrics(tmp_path) == rows[:number]
    metrics.sync()
    metrics.close()
    assert not (tmp_path / BOARD).exists()


def test_resumed_rows_follow_those_up_to_the_saved_step(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, resume_at=None, tensorboard=False)
    for step in range(1, 6):
        metrics.add(row(step, accuracy=0.1))
    metrics.close()
    with (tmp_path / f"{METRICS}.csv").open("a") as file:
        file.write("6,3.0,38")  # killed within the row
    resumed = Metrics(tmp_path, resume_at=3, tensorboard=False)
    resumed.add(row(4, accuracy=0.2))
    resumed.close()
    assert [(each.step, each.accuracy) for each in read_metrics(tmp_path)] == [(1, 0.1), (2, 0.1), (3, 0.1), (4, 0.2)]


def test_the_final_table_is_read_like_the_growing_one(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, resume_at=None, tensorboard=False)
    metrics.add(row(1))
    metrics.close()
    write_table(tmp_path, METRICS, COLUMNS, [vars(each) for each in read_metrics(tmp_path)], overwrite=True)
    assert read_metrics(tmp_path) == [row(1)]


def test_an_existing_run_is_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    Metrics(tmp_path, resume_at=None, tensorboard=False).close()
    with pytest.raises(OutputError, match=r"metrics\.csv exists"):
        Metrics(tmp_path, resume_at=None, tensorboard=False)


def test_a_loss_that_is_no_number_is_no_row(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, resume_at=None, tensorboard=False)
    with pytest.raises(ValueError, match="validation_loss"):
        metrics.add(row(1, validation_loss=float("nan")))
    metrics.close()
    assert read_metrics(tmp_path) == []


def test_without_tensorboard_nothing_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="tensorboard, which is not installed") as refusal:
        Metrics(tmp_path, resume_at=None, tensorboard=True)
    assert "lipcert[tensorboard]" in refusal.value.hint
    assert not list(tmp_path.iterdir())


def test_tensorboard_shows_what_was_measured_and_hides_what_a_resume_dropped(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    metrics = Metrics(tmp_path, resume_at=None, tensorboard=True)
    for step in (1, 2, 3):
        metrics.add(row(step, validation_loss=9.0 if step == 3 else None))
    metrics.close()
    resumed = Metrics(tmp_path, resume_at=2, tensorboard=True)
    resumed.add(row(3, validation_loss=1.5, log10_bound=float("inf")))
    resumed.close()
    shown = _scalars(tmp_path / BOARD)
    assert [step for step, _ in shown["loss"]] == [1, 2, 3]
    assert shown["validation_loss"] == [(3, 1.5)]
    assert shown["log10_bound"] == [(3, float("inf"))]
    assert "accuracy" not in shown
    assert "step" not in shown


def test_tensorboard_on_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    metrics = Metrics(tmp_path, resume_at=None, tensorboard=True)
    monkeypatch.setattr(SummaryWriter, "add_scalar", fail)
    with pytest.raises(OutputError, match="No space left"):
        metrics.add(row(1))
    metrics.close()
    assert read_metrics(tmp_path) == [row(1)]


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
