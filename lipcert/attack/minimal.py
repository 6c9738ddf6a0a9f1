"""The nearest input that fools the network: fast minimum-norm attacks. Pintor et al. 2021 (FMN), algorithm 1.

Departures: steps go along the steepest direction in the norm and are as long as the distance to the boundary that the
gradient promises at x, so that no unit of pixels is built in; and what is found is moved along the segment to x, by
bisection, to where it only just fools.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lipcert.attack.ball import Ball, shrunk, wide
from lipcert.attack.budget import Budget, Effort
from lipcert.attack.draws import Draws
from lipcert.attack.loss import fooled, negative_margin
from lipcert.attack.target import Target

_FIRST, _LAST = 0.05, 0.001  # γ: by how much the radius shrinks or grows a step
_BISECTIONS = 10


def minimal(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    """The nearest fooling point found, where it lies within eps; x elsewhere."""
    points = nearest(target, x, y, budget, effort, generator)
    within = budget.norm.of(points.double() - x.double()) <= budget.radius
    return torch.where(wide(within, x), points, x)


def nearest(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    """The nearest fooling point found, (batch, *shape), at whatever distance; x where none was found.

    Of the budget, norm, range and positions count, and eps only for the length of random starts.
    """
    best = _Best(x.clone(), torch.full((len(x),), math.inf, dtype=torch.float64, device=x.device))
    ball = Ball.of(budget, x)
    for restart in range(effort.restarts):
        _search(target, y, ball, ball.random(generator) if restart else x, effort.steps, best)
    return _bisected(target, x, y, best)


@dataclass
class _Best:
    """The nearest fooling points so far, and their distances from x: (batch,) float64, infinity where there is none."""

    points: Tensor
    size: Tensor


def _search(target: Target, y: Tensor, ball: Ball, z: Tensor, steps: int, best: _Best) -> None:
    """Steps that keep near a sphere round x, which shrinks where its points fool and grows where they do not."""
    norm, (low, high) = ball.budget.norm, ball.budget.range_in(z.dtype)
    radius = torch.full_like(best.size, math.inf)
    for step in range(steps):
        logits, losses, gradient = target.gradient(z, y, negative_margin)
        hit, size, uphill = fooled(logits, y), norm.of(z.double() - ball.x.double()), ball.uphill(gradient)
        better = hit & (size < best.size)
        best.points[better], best.size[better] = z[better], size[better]
        to_go = losses.abs() / (gradient * uphill).flatten(1).sum(1).clamp_min(1e-12)
        radius = _radius(radius, best.size, hit, size + to_go, _cosine(_FIRST, _LAST, step / steps))
        length = (_cosine(1.0, 0.01, step / steps) * radius).to(z.dtype)
        move = shrunk(norm, z + wide(length, z) * uphill - ball.x, radius.to(z.dtype))
        z = (ball.x + move).clamp(low, high)


def _radius(radius: Tensor, best: Tensor, hit: Tensor, guess: Tensor, rate: float) -> Tensor:
    """Smaller where it fools, larger where it does not; a little more than the gradient promises where
    nothing fooled yet."""
    larger = torch.where(best.isfinite(), radius, guess) * (1 + rate)
    return torch.where(hit, torch.minimum(radius * (1 - rate), best), larger)


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
