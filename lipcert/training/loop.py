"""The loop: gradients, a step, what is measured on the way, and what is kept."""

import math
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
from lipcert.training.watch import Watch, origin, untouched
from lipcert.workspace.recipe import Recipe


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
    """Train from `at` to the last step of the recipe; False where the user stopped it, with all saved. The start is
    saved too: so there is always a state to go on from, and one to measure growth against.

    Raises DivergedError, with the step and the layer, where the loss is no number or leaps; ViolationError where a
    guarantee is not kept. What was saved last stays.
    """
    recipe = session.recipe
    session.model.train()
    with stopping() as asked:
        if at.step == 0:
            keeper.save(session, at)
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
    loss, right, tokens = _gradients(session, at.step)
    sums = torch.tensor([loss, right, float(stop)], dtype=torch.float64, device=session.device)
    loss, right, asked = session.ranks.sum(sums).tolist()
    loss, stop = loss / session.ranks.world, bool(asked)
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
    if stop or _looked_at(session.recipe, at.step):
        _require_sound(session, at, keeper)
    row = Row(
        step=at.step, seconds=at.seconds, tokens=at.step * tokens, loss=loss, lr=lr, gradient_norm=gradient,
        tokens_per_second=tokens / spent, accuracy=right / tokens, **_measured(session, at.step, keeper),
    )  # fmt: skip
    return row, stop


def _gradients(session: Session, step: int) -> tuple[float, int, int]:
    """Gradients of the mean loss over the batch; loss and right predictions of this process, and predictions of all."""
    parts, batch = session.recipe.accumulate, _batch(session, step)
    xs, ys = (session.ranks.share(rows).chunk(parts) for rows in (batch.x, batch.y))
    total, right = torch.zeros((), device=session.device), 0
    for number, (x, y) in enumerate(zip(xs, ys, strict=True)):
        with _alone(session, number < parts - 1):
            y = y.to(session.device)
            logits = session.logits(x)
            loss: Tensor = session.task.loss(logits, y) / parts
            loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
        right += session.task.right(logits, y)[0]
    return float(total), right, batch.y.numel()


def _alone(session: Session, more: bool) -> AbstractContextManager[object]:
    """Processes exchange gradients once a step, with the last part of the batch."""
    return session.shared.no_sync() if more and session.shared is not None else nullcontext()


def _batch(session: Session, step: int) -> Batch:
    return session.task.batch(step, session.recipe.batch, session.recipe.seed)


def _measured(session: Session, step: int, keeper: Keeper) -> dict[str, float | None]:
    """What is measured after this step, by the names in a row. Raises DivergedError."""
    recipe, found = session.recipe, dict[str, float | None]()
    if _due(step, recipe.evaluate_every, recipe.steps):
        quality = validate(session)
        if not math.isfinite(quality.loss):
            raise _diverged(session, step - 1, f"the loss on the validation set is {quality.loss}", keeper)
        found |= {"validation_loss": quality.loss, "validation_accuracy": quality.accuracy}
    if session.ranks.first and recipe.bound_every and step % recipe.bound_every == 0 and step < recipe.steps:
        bound = proved(session, seconds=0.0)
        found["log10_bound"] = None if bound is None else bound.log10_upper
    return found


def _due(step: int, every: int, last: int) -> bool:
    return step == last or (every > 0 and step % every == 0)


def _looked_at(recipe: Recipe, step: int) -> bool:
    """Whether the weights after this step are measured or kept."""
    every = (recipe.evaluate_every, recipe.bound_every, recipe.watch_every, recipe.save_every)
    return any(_due(step, each, recipe.steps) for each in every)


def _require_sound(session: Session, at: Progress, keeper: Keeper) -> None:
    """Raises DivergedError where the last step spoilt the weights: on its own batch they do what no step may."""
    batch, parts, total = _batch(session, at.step - 1), session.recipe.accumulate, 0.0
    xs, ys = (session.ranks.share(rows).chunk(parts) for rows in (batch.x, batch.y))
    with untouched(session.model):
        for x, y in zip(xs, ys, strict=True):
            logits = session.logits(x, by=session.model)
            total += float(session.task.loss(logits, y.to(session.device))) / parts
    sums = session.ranks.sum(torch.tensor(total, dtype=torch.float64, device=session.device))
    fault = at.watch.judge(float(sums) / session.ranks.world)
    if fault:
        raise _diverged(session, at.step - 1, f"after it {fault}", keeper)


def _diverged(session: Session, step: int, fault: str, keeper: Keeper) -> DivergedError:
    x = session.ranks.share(_batch(session, step).x)[:8].to(session.device)
    where = origin(session.model, x, keeper.saved())
    return DivergedError(
        f"step {step + 1}: {fault}. It began in {where}.",
        hint="The last good state is kept. Take a smaller lr, a longer warmup, or a constraint with a cap.",
    )
