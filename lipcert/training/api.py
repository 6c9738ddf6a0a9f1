"""`lipcert.train`: from a recipe to a checkpoint, its history, and what is promised and proved of it."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from lipcert.errors import UsageError
from lipcert.stages import stage
from lipcert.store.lock import locked
from lipcert.training.finish import Name, Outcome, finish
from lipcert.training.folder import CHECKPOINT, Folder, require_new
from lipcert.training.loop import run
from lipcert.training.metrics import Row
from lipcert.training.promise import Promise
from lipcert.training.ranks import device_of, joined
from lipcert.training.session import Session, open_session
from lipcert.workspace.recipe import Recipe

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """model: in evaluation mode. checkpoint: what `lipcert bound` takes. finished: False where the user stopped it.

    outcome: quality and bound at the end; None where the run was stopped, and in all processes but the first.
    guarantee: what optimiser and constraint promise of every step.
    """

    model: nn.Module
    checkpoint: Path
    finished: bool
    outcome: Outcome | None
    guarantee: Promise


def train(
    recipe: Recipe | Mapping[str, Any],
    *,
    resume: bool = False,
    force: bool = False,
    tensorboard: bool = False,
    seconds: float = 10.0,
    name: str = "",
    command: str = "",
    say: Callable[[Row], None] = lambda _: None,
    begin: Callable[[Session, int], None] = lambda *_: None,
) -> Trained:
    """Train what `recipe` says, into the folder `recipe.out`.

    recipe: a `Recipe`, or the table that [train.NAME] would be. resume: go on where the run in the folder stands.
    force: replace a run that is there. seconds: for the search behind the bound at the end. name, command: of the run,
    as its results are to have it. say: called after every step with what was measured; begin: once before the first,
    with the steps that are done already; both in the first process alone.
    Under `torchrun` every process calls this.

    Raises InputError for data, recipe and state that do not fit together, UsageError for a device, processes or a
    compiler that are not there, OutputError where the folder holds another run or cannot be written, DivergedError
    where the loss is no number or leaps, ViolationError where a guaranteed cap is broken. Whatever is raised, the state
    that was saved last is whole, and `resume` goes on from it.
    """
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.of(recipe)
    path, device = Path(recipe.out), device_of(recipe.device)
    if not resume:
        require_new(path, force=force)
    with joined(device) as ranks, locked(path) if ranks.first else nullcontext():
        with stage(_LOG, "reading the data and building the network"):
            session = open_session(recipe, device, ranks)
        folder = Folder(path, session, resume=resume, tensorboard=tensorboard)
        try:
            at = folder.start(session)
            if ranks.first:
                begin(session, at.step)
            with stage(_LOG, "training"), _compiling():
                finished = run(session, at, folder, say if ranks.first else lambda _: None)
        finally:
            folder.close()
        outcome = finish(session, folder, seconds, Name(name, command)) if finished else None
        ranks.wait()  # who leaves first takes the connection away
        return Trained(session.model.eval(), path / CHECKPOINT, finished, outcome, session.promise)


@contextmanager
def _compiling() -> Iterator[None]:
    """Raises UsageError where torch cannot compile the network, as without a C++ compiler."""
    try:
        yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"the network cannot be compiled: {reason}",
            hint="Install a C++ compiler such as g++, or leave --compile away.",
        ) from error
