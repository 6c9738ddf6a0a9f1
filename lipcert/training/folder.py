"""The folder of a run: its state, its checkpoint, and the tables that grow while it goes on."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from lipcert.checkpoint.lipcert import TRAINING
from lipcert.checkpoint.lipcert import save as save_checkpoint
from lipcert.errors import InputError, OutputError
from lipcert.store.log import Log
from lipcert.store.run import BOUND, CERTIFICATE, TRAIN
from lipcert.training import observe, spectra
from lipcert.training.batches import Batch
from lipcert.training.loop import Progress
from lipcert.training.metrics import METRICS, Metrics, Row, read_metrics
from lipcert.training.promise import require_kept
from lipcert.training.session import Session
from lipcert.training.state import STATE, State, read_state, require_same, write_state
from lipcert.training.watch import Watch

CHECKPOINT = "model.safetensors"
ACTIVATIONS, SPECTRA, CASTS = "activations", "spectra", "casts"

_GROWING = tuple(f"{name}.csv" for name in (METRICS, ACTIVATIONS, SPECTRA))
_TWINS = tuple(f"{name}.parquet" for name in (METRICS, ACTIVATIONS, SPECTRA, CASTS))
_FILES = (f"{TRAIN}.json", BOUND, CERTIFICATE, STATE, CHECKPOINT, f"{CASTS}.csv", *_TWINS, *_GROWING)
"""All of a run; first what speaks of the others."""


class Folder:
    """What the loop hands over is kept here, by the first process alone; the others keep nothing."""

    def __init__(self, path: Path, session: Session, *, resume: bool, tensorboard: bool) -> None:
        """resume: go on from the state in `path`; else the folder must be free, or what it holds is replaced.

        Raises InputError where there is nothing to resume, or another run.
        """
        self.path = path
        self._state = _read(path, session) if resume else None
        if self._state is not None:
            _restore(session, self._state)
        at = self._state.step if self._state is not None else -1
        first = session.ranks.first
        self._metrics = Metrics(path, resume_at=at, tensorboard=tensorboard) if first else None
        if first:
            _sweep(path)
        if first and not resume:
            _clear(path)
        self._activations = Log(path, ACTIVATIONS, observe.COLUMNS, resume_at=at) if first else None
        self._spectra = Log(path, SPECTRA, spectra.COLUMNS, resume_at=at) if first else None

    def start(self, session: Session) -> Progress:
        """Where the run begins, or goes on."""
        state = self._state
        if state is None:
            return Progress(0, 0.0, Watch(session.recipe.spike))
        return Progress(state.step, state.seconds, Watch(session.recipe.spike, state.losses))

    def row(self, row: Row) -> None:
        if self._metrics is not None:
            self._metrics.add(row)

    def observe(self, session: Session, step: int, batch: Batch) -> None:
        """What is inside the network on some examples of this batch, and the singular values of its weights."""
        if self._activations is None or self._spectra is None:
            return
        x = batch.x[: session.recipe.batch // session.recipe.accumulate].to(session.device)
        self._activations.add(observe.rows(step, observe.observe(session.model, x)))
        self._spectra.add(spectra.rows(step, spectra.spectra(session.model)))

    def save(self, session: Session, at: Progress) -> None:
        """The state, then the checkpoint, each whole or as it was. Raises ViolationError where a promise is broken."""
        if session.ranks.first:
            require_kept(session.promise)
            for each in self._open():
                each.sync()
            self._state = State(
                session.recipe.to_json(), session.data, at.step, at.seconds, list(at.watch.losses),
                session.model.state_dict(), session.optimizer.state_dict(), session.schedule.state_dict(),
            )  # fmt: skip
            try:
                write_state(self.path, self._state)
                write_checkpoint(self.path / CHECKPOINT, session, at.step)
            except OutputError as error:
                raise OutputError(error.message, hint="Make room on the disk, and go on with --resume.") from error
        session.ranks.wait()

    def saved(self) -> dict[str, Tensor] | None:
        """The weights that were saved last."""
        if not (self.path / STATE).exists():
            return None
        return dict(read_state(self.path).model)

    def close(self) -> None:
        for each in self._open():
            each.close()

    def _open(self) -> list[Metrics | Log]:
        return [each for each in (self._metrics, self._activations, self._spectra) if each is not None]


def require_new(path: Path, *, force: bool) -> None:
    """Raises OutputError where the folder of a new run holds another one that must not be replaced."""
    if not force and any((path / name).exists() for name in (STATE, CHECKPOINT, "metrics.csv")):
        raise OutputError(
            f"{path} holds a run already",
            hint="Go on with it by --resume, replace it by --force, or name another --out.",
        )


def write_checkpoint(path: Path, session: Session, step: int) -> None:
    """The network with all that is needed to run it, and how it was trained."""
    shape, dtype = session.task.example
    save_checkpoint(path, session.model, session.recipe.model, session.arguments, shape, dtype, about(session, step))


def about(session: Session, step: int) -> dict[str, str]:
    """For the metadata of a checkpoint."""
    promised = session.promise
    told: dict[str, Any] = {
        "step": step,
        "recipe": session.recipe.to_json(),
        "data": session.task.name,
        "data_sha256": session.task.sha256,
        "tokens": dict(session.task.tokens),
        "guaranteed": promised.holds,
        "why": promised.why,
        "versions": {package: version(package) for package in ("lipcert", "torch", "numpy")},
    }
    return {TRAINING: json.dumps(told)}


def _sweep(path: Path) -> None:
    """Take away what was half written when a process was killed. For the one process that has the folder."""
    for name in _FILES:
        for draft in path.glob(f".{name}.*.tmp"):
            draft.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Take away what a run before has left, lest it pass for what this one does; the tables that grow begin anew."""
    for name in _FILES:
        try:
            if name not in _GROWING:
                (path / name).unlink(missing_ok=True)
        except OSError as error:
            reason = f"{path / name} cannot be replaced: {error.strerror}"
            raise OutputError(reason, hint="Name another --out.") from error


def _read(path: Path, session: Session) -> State:
    state = read_state(path)
    require_same(state, session.recipe.to_json(), session.data, path)
    if state.step and all(row.step != state.step for row in read_metrics(path)):
        raise InputError(
            f"{path / METRICS}.csv has no row of step {state.step}, which {STATE} goes on from",
            hint="Bring it back, or begin anew with --force.",
        )
    return state


def _restore(session: Session, state: State) -> None:
    session.model.load_state_dict(dict(state.model))
    session.optimizer.load_state_dict(dict(state.optimizer))
    session.schedule.load_state_dict(dict(state.schedule))
