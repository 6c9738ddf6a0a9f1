"""What a run measures as it goes: metrics.csv, a row at a time, and the same for TensorBoard."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipcert.errors import OutputError, UsageError
from lipcert.store.log import Log, read_log
from lipcert.store.table import Column

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS, BOARD = "metrics", "tensorboard"


@dataclass(frozen=True)
class Row:
    """step: optimiser steps done. tokens: positions, or examples, trained on so far. seconds: of training so far.

    loss, accuracy: of the step's batch, before the step. log10_bound: of the proved bound.
    None: not measured at this step; of the bound also that there is no finite one.
    """

    step: int
    seconds: float
    tokens: int
    loss: float
    lr: float
    gradient_norm: float
    tokens_per_second: float
    accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    log10_bound: float | None = None


COLUMNS = (
    Column("step", "int"),
    Column("seconds", "float"),
    Column("tokens", "int"),
    Column("loss", "float"),
    Column("lr", "float"),
    Column("gradient_norm", "float"),
    Column("tokens_per_second", "float"),
    Column("accuracy", "float", nullable=True),
    Column("validation_loss", "float", nullable=True),
    Column("validation_accuracy", "float", nullable=True),
    Column("log10_bound", "float", nullable=True),
)


class Metrics:
    """The rows of a run. Each outlives the process once `add` returns; `sync` before a state is saved that goes on
    from them.
    """

    def __init__(self, folder: Path, *, resume_at: int | None, tensorboard: bool) -> None:
        """resume_at: rows of later steps are dropped before going on, -1 drops all; None for a new run.

        Raises UsageError where TensorBoard is asked for and not installed, and otherwise as `Log` does.
        """
        writer = _writer_class() if tensorboard else None
        self._log = Log(folder, METRICS, COLUMNS, resume_at=resume_at)
        # Events are never deleted: TensorBoard itself hides those from `purge_step` on.
        purge = None if resume_at is None else resume_at + 1
        self._board = writer(str(folder / BOARD), purge_step=purge) if writer is not None else None

    def add(self, row: Row) -> None:
        """Raises OutputError where it cannot be written, ValueError for a NaN."""
        self._log.add([asdict(row)])
        if self._board is not None:
            _show(self._board, row)

    def sync(self) -> None:
        """Put all rows on the disk. Raises OutputError where that fails."""
        self._log.sync()

    def close(self) -> None:
        self._log.close()
        if self._board is not None:
            with suppress(OSError):  # the rows are in the CSV
                self._board.close()


def read_metrics(folder: Path) -> list[Row]:
    """The rows of a run, still going on or not. Raises InputError where they cannot be read."""
    rows: list[dict[str, Any]] = read_log(folder, METRICS, COLUMNS)
    return [Row(**row) for row in rows]


def _writer_class() -> type["SummaryWriter"]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError(
            "metrics for TensorBoard need the package tensorboard, which is not installed",
            hint="pip install 'lipcert[tensorboard]'",
        ) from None
    return SummaryWriter


def _show(board: "SummaryWriter", row: Row) -> None:
    try:
        for name, value in asdict(row).items():
            if name != "step" and value is not None:
                board.add_scalar(name, value, row.step)
    except OSError as error:
        raise OutputError(f"TensorBoard's events cannot be written: {error}", hint="Make room on the disk.") from error
