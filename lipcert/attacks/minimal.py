"""The nearest input that fools the network: fast minimum-norm attacks. Pintor et al. 2021 (FMN), algorithm 1.

Departures: steps go along the steepest direction in the norm and are as long as the distance to the boundary that the
gradient promises at x, so that no unit of pixels is built in; and what is found is moved along the segment to x, by
bisection, to where it only just fools.
"""

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from lipcert.attacks.ball import Ball, shrunk, wide
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.loss import Loss, fooled, negative_margin
from lipcert.attacks.target import Target

_FIRST, _LAST = 0.05, 0.001  # γ: by how much the radius shrinks or grows a step
_BISECTIONS = 10


def minimal(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    """The nearest fooling point found, where it lies within eps; x elsewhere."""
    points = nearest(target, x, y, budget, effort, generator)
    within = budget.norm.of(points.double() - x.double()) <= budget.radius
    return torch.where(wide(within, x), points, x)


def nearest(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    """The nearest fooling point found, (batch, *shape), at whatever distance; x where none was found.

    The first start goes to whatever class comes nearest, the next ones from x to the second, third, ... likeliest
    other class, and those after them from random points. Of the budget, norm, range and positions count, and eps only
    for the length of random starts.
    """
    best = _Best(x.clone(), torch.full((len(x),), math.inf, dtype=torch.float64, device=x.device))
    ball = Ball.of(budget, x)
    losses = [negative_margin, *(_towards(target, x, y) if effort.restarts > 1 else [])]
    for restart in range(effort.restarts):
        loss = losses[restart] if restart < len(losses) else negative_margin
        start = x if restart < len(losses) else ball.random(generator)
        _search(target, y, ball, start, loss, effort.steps, best)
    return _bisected(target, x, y, best)


@dataclass
class _Best:
    """The nearest fooling points so far, and their distances from x: (batch,) float64, infinity where there is none."""

    points: Tensor
    size: Tensor


def _towards(target: Target, x: Tensor, y: Tensor) -> list[Loss]:
    """For each likeliest other class but the first, the difference of its logit to the label's."""
    with torch.no_grad():
        logits = target(x)
    if logits.dim() == 3:
        return []
    likely = logits.scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)
    return [partial(_difference, likely[:, place]) for place in range(1, logits.shape[1] - 1)]


def _difference(goal: Tensor, logits: Tensor, y: Tensor) -> Tensor:
    at = logits.gather(1, torch.stack([goal, y], 1))
    return at[:, 0] - at[:, 1]


def _search(target: Target, y: Tensor, ball: Ball, z: Tensor, loss: Loss, steps: int, best: _Best) -> None:
    """Steps that keep near a sphere round x, which shrinks where its points fool and grows where they do not."""
    norm, (low, high) = ball.budget.norm, ball.budget.range_in(z.dtype)
    radius = torch.full_like(best.size, math.inf)
    for step in range(steps):
        rate = _cosine(_FIRST, _LAST, step / steps)
        logits, losses, gradient = target.gradient(z, y, loss)
        hit, size, uphill = fooled(logits, y), norm.of(z.double() - ball.x.double()), ball.uphill(gradient)
        better = hit & (size < best.size)
        best.points[better], best.size[better] = z[better], size[better]
        to_go = losses.abs() / (gradient * uphill).flatten(1).sum(1).clamp_min(1e-12)
        larger = torch.where(best.size.isfinite() & radius.isfinite(), radius, size + to_go) * (1 + rate)
        radius = torch.minimum(torch.where(hit, radius * (1 - rate), larger), best.size)
        length = (_cosine(1.0, 0.01, step / steps) * radius).to(z.dtype)
        move = shrunk(norm, z + wide(length, z) * uphill - ball.x, radius.to(z.dtype))
        z = (ball.x + move).clamp(low, high)


def _bisected(target: Target, x: Tensor, y: Tensor, best: _Best) -> Tensor:
    """Fooling points nearer to x on the segments to it, where there are some."""
    rows = (best.size.isfinite() & (best.size > 0)).nonzero()[:, 0]
    some, start, end = target.select(rows), x[rows], best.points[rows]
    unfooled, fooling, found = torch.zeros(len(rows)).to(x), torch.ones(len(rows)).to(x), end.clone()
    for _ in range(_BISECTIONS if len(rows) else 0):
        part = (unfooled + fooling) / 2
        points = torch.lerp(start, end, wide(part, x))
        with torch.no_grad():
            hit = fooled(some(points), y[rows])
        unfooled, fooling = torch.where(hit, unfooled, part), torch.where(hit, part, fooling)
        found[hit] = points[hit]
    return best.points.index_copy(0, rows, found)


def _cosine(first: float, last: float, done: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * done)) / 2
