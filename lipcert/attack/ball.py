"""The points that a budget allows round a batch of inputs: stepping, projecting, starting at random."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lipcert.attack.budget import Budget
from lipcert.attack.draws import Draws


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
            low, high = (_rounded(x.double() + sign * radius, x).clamp(low, high) for sign in (-1, 1))
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
        groups = self.groups(self.free(z - self.x))
        size = torch.linalg.vector_norm(groups, dim=-1, keepdim=True)
        shrunk = groups * (self.group_radius() / size).clamp_max(1.0)  # 0/0 is no worry: x/0 is inf, and 1 is less
        return (self.x + shrunk.reshape(self.x.shape)).clamp(self.low, self.high)

    def fit(self, z: Tensor) -> Tensor:
        """`project`, and inside without any rounding: |z - x| <= eps holds in float64 for the numbers returned."""
        if self.budget.norm.inner == "inf":
            return z.clamp(self.low, self.high)
        x = self.x.double()
        groups = self.groups(self.free(z.double() - x))
        size = torch.linalg.vector_norm(groups, dim=-1, keepdim=True)
        shrunk = torch.where(size > self.group_radius(), groups * (self.group_radius() * (1 - 1e-12) / size), groups)
        return _rounded(x + shrunk.reshape(x.shape), self.x).clamp(self.low, self.high)

    def uphill(self, gradient: Tensor) -> Tensor:
        """The move of norm 1 that the gradient says is best, among those that the budget allows."""
        return self.budget.norm.steepest(self.free(gradient))

    def random(self, draws: Draws) -> Tensor:
        """A start in each ball: uniform in the box of linf; in l2, a uniform direction and a uniform radius."""
        shape = self.x.shape[1:]
        if self.budget.norm.inner == "inf":
            move = 2 * draws.uniform(shape) - 1
        else:
            move = self.budget.norm.steepest(self.free(draws.normal(shape))) * draws.uniform((1,) * len(shape))
        return self.project(self.x + self.budget.radius * move.to(self.x))

    def free(self, move: Tensor) -> Tensor:
        """The part of a move that touches only positions that may move."""
        return move if self.budget.positions is None else move * _free(self.budget, self.x).to(move.dtype)

    def groups(self, move: Tensor) -> Tensor:
        """(batch, groups of the norm, entries of a group), of a norm of l2 groups."""
        features = move.shape[-1] if self.budget.norm.by_token else -1
        return move.reshape(len(move), -1, features)

    def group_radius(self) -> float:
        """The l2 radius of a group."""
        return self.budget.radius * (math.sqrt(self.x.shape[-1]) if self.budget.norm.rms else 1.0)


def _free(budget: Budget, x: Tensor) -> Tensor:
    """1.0 where entries may move, else 0.0; broadcasts against x."""
    if budget.positions is None:
        return torch.ones((), dtype=torch.float64, device=x.device)
    return budget.positions.to(device=x.device, dtype=torch.float64)[:, None]


def _rounded(z: Tensor, x: Tensor) -> Tensor:
    """z in float64, rounded to the type of x so that no entry moves away from x."""
    near = z.to(x.dtype)
    away = (near.double() - x.double()).abs() > (z - x.double()).abs()
    return torch.where(away, torch.nextafter(near, x), near)
