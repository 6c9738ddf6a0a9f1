"""The points that a budget allows round a batch of inputs: stepping, projecting, starting at random."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lipcert.attacks.budget import Budget
from lipcert.attacks.draws import Draws
from lipcert.norms.norm import Norm


@dataclass(frozen=True)
class Ball:
    """One ball for each row of x, (batch, *shape).

    low, high: in linf the box of allowed points, entry by entry and rounded towards x; else the range of the inputs.
    """

    budget: Budget
    x: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, budget: Budget, x: Tensor) -> "Ball":
        low, high = (torch.full((), end, dtype=x.dtype, device=x.device) for end in budget.range_in(x.dtype))
        if budget.norm.inner == "inf":
            radius = _free(budget, x) * budget.radius
            low, high = (_moved(x, sign * radius).clamp(low, high) for sign in (-1, 1))
        return cls(budget, x, low, high)

    def select(self, rows: Tensor) -> "Ball":
        """The balls of some rows."""
        if self.low.dim() == 0:
            return replace(self, x=self.x[rows])
        return replace(self, x=self.x[rows], low=self.low[rows], high=self.high[rows])

    def project(self, z: Tensor) -> Tensor:
        """A point of each ball near z: the nearest one where the range does not matter. Inside up to rounding."""
        if self.budget.norm.inner == "inf":
            return z.clamp(self.low, self.high)
        move = shrunk(self.budget.norm, self.free(z - self.x), self.budget.radius)
        return (self.x + move).clamp(self.low, self.high)

    def fit(self, z: Tensor) -> Tensor:
        """`project`, and inside without any rounding: |z - x| <= eps holds in float64 for the numbers returned."""
        if self.budget.norm.inner == "inf":
            return z.clamp(self.low, self.high)
        x = self.x.double()
        move = self.free(z.double() - x)
        inside = _moved(self.x, shrunk(self.budget.norm, move, self.budget.radius * (1 - 1e-12)))
        outside = self.budget.norm.of(move) > self.budget.radius
        free = _free(self.budget, self.x) > 0
        return torch.where(wide(outside, x), inside, torch.where(free, z, self.x)).clamp(self.low, self.high)

    def uphill(self, gradient: Tensor) -> Tensor:
        """The move of norm 1 that the gradient says is best, among those that the budget allows."""
        return self.budget.norm.steepest(self.free(gradient))

    def random(self, draws: Draws) -> Tensor:
        """A start in each ball: uniform in the box of linf; in l2, a uniform direction and a uniform radius."""
        shape, device = self.x.shape[1:], self.x.device
        if self.budget.norm.inner == "inf":
            move = 2 * draws.uniform(shape).to(device) - 1
        else:
            length = draws.uniform((1,) * len(shape)).to(device)
            move = self.budget.norm.steepest(self.free(draws.normal(shape).to(device))) * length
        return self.project(self.x + self.budget.radius * move.to(self.x))

    def free(self, move: Tensor) -> Tensor:
        """The part of a move that touches only positions that may move."""
        return move if self.budget.positions is None else move * _free(self.budget, self.x).to(move.dtype)


def shrunk(norm: Norm, move: Tensor, radius: Tensor | float) -> Tensor:
    """Moves (batch, *shape) projected onto the ball of this radius, or of one for each row, round 0."""
    limit = wide(radius, move) if isinstance(radius, Tensor) else radius
    if norm.inner == "inf":
        return move.sign() * move.abs().clamp(max=limit)
    axes = -1 if norm.by_token else tuple(range(1, move.dim()))
    size = torch.linalg.vector_norm(move, dim=axes, keepdim=True).clamp_min(torch.finfo(move.dtype).tiny)
    unit = math.sqrt(move.shape[-1]) if norm.rms else 1.0
    share: Tensor = (limit * unit / size).clamp_max(1.0)
    return move * share


def wide(each: Tensor, z: Tensor) -> Tensor:
    """A number a row, to be used against all entries of the row."""
    return each.reshape(-1, *[1] * (z.dim() - 1))


def _free(budget: Budget, x: Tensor) -> Tensor:
    """1.0 where entries may move, else 0.0; broadcasts against x."""
    if budget.positions is None:
        return torch.ones((), dtype=torch.float64, device=x.device)
    return budget.positions.to(device=x.device, dtype=torch.float64)[:, None]


def _moved(x: Tensor, move: Tensor) -> Tensor:
    """x and a move in float64, in the type of x: no entry goes further than the move."""
    near = (x.double() + move).to(x.dtype)
    away = (near.double() - x.double()).abs() > move.abs()
    return torch.where(away, torch.nextafter(near, x), near)
