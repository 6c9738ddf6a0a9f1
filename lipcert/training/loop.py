"""The loop: gradients, a step, what is measured on the way, and what is kept."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lipcert.errors import DivergedError
from lipcert.training.batches import Batch
from lipcert.training.evaluate import proved, validate
from lipcert.training.metrics import Row
from lipcert.training.session import Session
from lipcert.training.stop import stopping
from lipcert.training.watch import Watch, origin


@dataclass
class Progress:
    """Where a run is: `step` steps are done, in `seconds`."""

    step: int
    seconds: float
    watch: Watch


@runtime_checkable
class Keeper(Protocol):
    """Who keeps what the loop hands over."""

    def row(self, row: Row) -> None: ...
    def observe(self, session: Session, step: int, batch: Batch) -> None: ...
    def save(self, session: Session, at: Progress) -> None: ...
    def saved(self) -> dict[str, Tensor] | None:
        """The weights that were saved last."""
        ...


Say = Callable[[Row], None]
"""Called after every step."""


def run(session: Session, at: Progress, keeper: Keeper, say: Say) -> bool:
    """Train from `at` to the last step of the recipe; False where the user stopped it, with all saved.

    Raises DivergedError, with the step and the layer, where the loss is no number or leaps; ViolationError where a
    guarantee is not kept. What was saved last stays.
    """
    recipe = session.recipe
    session.model.train()
    with stopping() as asked:
        while at.step < recipe.steps:
            row, stop = _step(session, at, keeper, stop=asked())
            keeper.row(row)
            say(row)
            if _due(at.step, recipe.watch_every, recipe.steps):
                keeper.observe(session, at.step, _batch(session, at.step - 1))
            if stop or _due(at.step, recipe.save_every, recipe.steps):
                keeper.save(session, at)
            if stop and at.step < recipe.steps:
                return False
    return True


def _step(session: Session, at: Progress, keeper: Keeper, *, stop: bool) -> tuple[Row, bool]:
    """One step of the optimiser; its row, and whether any process was asked to stop."""
    started = time.perf_counter()
    loss, tokens = _gradients(session, at.step)
    sums = session.ranks.sum(torch.tensor([loss, float(stop)], dtype=torch.float64, device=session.device))
    loss, stop = float(sums[0]) / session.ranks.world, bool(sums[1])
    gradient = float(nn.utils.clip_grad_norm_(session.model.parameters(), session.recipe.clip or float("inf")))
    fault = at.watch.fault(loss, gradient)
    if fault:
        raise _diverged(session, at.step, fault, keeper)
    lr = float(session.schedule.get_last_lr()[0])
    session.optimizer.step()
    session.schedule.step()
    session.optimizer.zero_grad()
    spent = time.perf_counter() - started
    at.step, at.seconds = at.step + 1, at.seconds + spent
    row = Row(
        step=at.step, seconds=at.seconds, tokens=at.step * tokens, loss=loss, lr=lr, gradient_norm=gradient,
        tokens_per_second=tokens / spent, **_measured(session, at.step),
    )  # fmt: skip
    return row, stop


def _gradients(session: Session, step: int) -> tuple[float, int]:
    """Gradients of the mean loss over the batch; the loss of this process, and predictions in the whole batch."""
    parts, batch = session.recipe.accumulate, _batch(session, step)
    xs, ys = (session.ranks.share(rows).chunk(parts) for rows in (batch.x, batch.y))
    total = torch.zeros((), device=session.device)
    for number, (x, y) in enumerate(zip(xs, ys, strict=True)):
        with _alone(session, number < parts - 1):
            loss: Tensor = session.task.loss(session.logits(x), y.to(session.device)) / parts
            loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return float(total), batch.y.numel()


def _alone(session: Session, more: bool) -> AbstractContextManager[object]:
    """Processes exchange gradients once a step, with the last part of the batch."""
    return session.shared.no_sync() if more and session.shared is not None else nullcontext()


def _batch(session: Session, step: int) -> Batch:
    return session.task.batch(step, session.recipe.batch, session.recipe.seed)


def _measured(session: Session, step: int) -> dict[str, float | None]:
    """What is measured after this step, by the names in a row."""
    recipe, found = session.recipe, dict[str, float | None]()
    if _due(step, recipe.evaluate_every, recipe.steps):
        quality = validate(session)
        found |= {"validation_loss": quality.loss, "validation_accuracy": quality.accuracy}
    if session.ranks.first and recipe.bound_every and step % recipe.bound_every == 0 and step < recipe.steps:
        bound = proved(session, seconds=0.0)
        found["log10_bound"] = None if bound is None else bound.log10_upper
    return found


def _due(step: int, every: int, last: int) -> bool:
    return step == last or (every > 0 and step % every == 0)


def _diverged(session: Session, step: int, fault: str, keeper: Keeper) -> DivergedError:
    x = session.ranks.share(_batch(session, step).x)[:8].to(session.device)
    where = origin(session.model, x, keeper.saved())
    return DivergedError(
        f"step {step + 1}: {fault}. It began in {where}.",
        hint="The last good state is kept. Take a smaller lr, a longer warmup, or a constraint with a cap.",
    )
