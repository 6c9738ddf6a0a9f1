"""APGD: projected gradient steps whose length is halved where progress stops. Croce and Hein 2020, algorithm 1.

An example leaves as soon as it is fooled. The projection is that of Ball: onto the norm's ball, then into the range.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from lipcert.attacks.ball import Ball, wide
from lipcert.attacks.batch import Batch
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.loss import Loss, targeted_dlr
from lipcert.attacks.target import Target
from lipcert.errors import UnsupportedError

_KEPT = 0.25  # of the move before: 1 - α of the paper
_PROGRESS = 0.75  # ρ: the share of steps that have to increase the loss
_GOALS = 9


def apgd(
    target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws, *, loss: Loss
) -> Tensor:
    """APGD on a loss: "apgd-ce" on the cross entropy, "apgd-dlr" on DLR, which needs 3 classes."""
    found, batch = x.clone(), Batch.of(target, x, y, budget, generator)
    for restart in range(effort.restarts):
        batch = batch.unfooled(found) if restart else batch
        batch = _climb(batch, found, effort.steps, lambda _: loss)
    return Ball.of(budget, x).fit(found)


def apgd_targeted(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    """APGD towards each of the (at most 9) likeliest other classes, on the targeted DLR loss.

    Steps and restarts are for each of them. Raises UnsupportedError where there are fewer than 4 classes, or a label
    at every position.
    """
    with torch.no_grad():
        logits = target(x)
    if logits.dim() == 3:
        raise UnsupportedError(
            "a network that answers at every position cannot be attacked towards one class.",
            hint="Use apgd-ce or apgd-dlr.",
        )
    likely = logits.scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)
    found, batch = x.clone(), Batch.of(target, x, y, budget, generator)
    for start in range(effort.restarts * min(_GOALS, logits.shape[1] - 1)):
        goals = likely[:, start // effort.restarts]
        batch = batch.unfooled(found) if start else batch
        batch = _climb(batch, found, effort.steps, lambda rows, goals=goals: targeted_dlr(goals[rows]))  # type: ignore[misc]
    return Ball.of(budget, x).fit(found)


@dataclass(frozen=True)
class _State:
    """A row an example. size: of the next step. rises: steps since the last checkpoint that increased the loss.
    checked: the best loss at the last checkpoint. halved: whether the size was halved there."""

    z: Tensor
    before: Tensor
    gradient: Tensor
    loss: Tensor
    best: Tensor
    best_gradient: Tensor
    best_loss: Tensor
    checked: Tensor
    size: Tensor
    rises: Tensor
    halved: Tensor

    @classmethod
    def at(cls, z: Tensor, size: float) -> "_State":
        low, no = z.new_full((len(z),), -torch.inf), torch.zeros(len(z), dtype=torch.bool, device=z.device)
        return cls(z, z, z, low, z, z, low, low, z.new_full((len(z),), size), no.int(), ~no)

    def select(self, rows: Tensor) -> "_State":
        return _State(*(getattr(self, field.name)[rows] for field in fields(self)))

    def seen(self, loss: Tensor, gradient: Tensor) -> "_State":
        """With the loss and its gradient at z."""
        better = loss > self.best_loss
        return replace(
            self,
            loss=loss,
            gradient=gradient,
            rises=self.rises + (loss > self.loss).int(),
            best=torch.where(wide(better, self.z), self.z, self.best),
            best_gradient=torch.where(wide(better, self.z), gradient, self.best_gradient),
            best_loss=torch.where(better, loss, self.best_loss),
        )

    def checkpoint(self, steps: int) -> "_State":
        """Halve the size and go back to the best point, where one of the paper's two conditions holds."""
        few = self.rises <= _PROGRESS * steps
        same = ~self.halved & (self.best_loss <= self.checked)
        halve = few | same
        return replace(
            self,
            z=torch.where(wide(halve, self.z), self.best, self.z),
            gradient=torch.where(wide(halve, self.z), self.best_gradient, self.gradient),
            size=torch.where(halve, self.size / 2, self.size),
            checked=self.best_loss,
            rises=torch.zeros_like(self.rises),
            halved=halve,
        )

    def moved(self, ball: Ball, kept: float) -> "_State":
        uphill = ball.project(self.z + wide(self.size, self.z) * ball.uphill(self.gradient))
        z = ball.project(self.z + (1 - kept) * (uphill - self.z) + kept * (self.z - self.before))
        return replace(self, z=z, before=self.z)


def _climb(batch: Batch, found: Tensor, steps: int, loss: Callable[[Tensor], Loss]) -> Batch:
    """One start. Puts the first point that fools each row into `found`, or the last point; returns the rows left.

    loss: for the rows with these numbers.
    """
    last, checkpoints = 0, _checkpoints(steps)
    state = _State.at(batch.ball.random(batch.draws), 2 * batch.ball.budget.radius)
    for step in range(steps if len(batch) else 0):
        logits, losses, gradient = batch.target.gradient(state.z, batch.y, loss(batch.rows))
        left = batch.leave(found, state.z, logits)
        batch, state = batch.select(left), state.seen(losses, gradient).select(left)
        if not len(batch):
            return batch
        if step in checkpoints:
            state, last = state.checkpoint(step - last), step
        state = state.moved(batch.ball, _KEPT if step else 0.0)
    found[batch.rows] = state.z
    return batch


def _checkpoints(steps: int) -> set[int]:
    """w_j = ⌈p_j N⌉, with p_1 = 0.22 and p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06)."""
    before, now, found = 0.0, 0.22, set[int]()
    while now < 1:
        found.add(max(1, math.ceil(now * steps)))
        before, now = now, now + max(now - before - 0.03, 0.06)
    return found
