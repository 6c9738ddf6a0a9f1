"""Points of a domain for the search: where the measured lower bound looks. Nothing here is trusted."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lipcert.norms import ball
from lipcert.norms.norm import Norm
from lipcert.rules.domain import Box, Domain, Everywhere, Vocabulary, required

_CANDIDATES, _CORNERS = 2048, 512
"""Rows of a table from which corners are chosen, and how many corners at most."""

_FLAT = 1e-6
"""Corners that are so near to the plane of the others, against the first, are left out."""

_LESS = 1 - 1e-12
"""What the radius is multiplied by, so that rounding stays within it."""


@dataclass(frozen=True)
class Points:
    """sample(count, generator): points (count, *shape) of the domain, float64. project: any batch into the domain."""

    sample: Callable[[int, torch.Generator], Tensor]
    project: Callable[[Tensor], Tensor]


def points_of(domain: Domain, shape: tuple[int, ...], norm: Norm, table: Tensor | None) -> Points:
    """Of a source of `shape`, (1, …); norm: in which the domain's radius is measured."""
    sizes = shape[1:] or (1,)
    if isinstance(domain, Everywhere):
        return Points(lambda count, generator: _normal((count, *sizes), generator), lambda x: x)
    if isinstance(domain, Box):
        return _box(domain, sizes)
    return _vocabulary(domain, sizes, norm, required(domain, table))


def _box(domain: Box, sizes: tuple[int, ...]) -> Points:
    """The box proper, which lies within the ball round it, in floats."""
    low, high = (ball.rational(end.numerator, end.denominator) for end in (domain.low, domain.high))
    lo, hi = ball.up(low), ball.down(high)

    def sample(count: int, generator: torch.Generator) -> Tensor:
        share = torch.rand(count, *sizes, generator=generator, dtype=torch.float64)
        return (lo + (hi - lo) * share).clamp(lo, hi)

    return Points(sample, lambda x: x.clamp(lo, hi))


def _vocabulary(domain: Vocabulary, sizes: tuple[int, ...], norm: Norm, table: Tensor) -> Points:
    simplex, radius = Simplex.of(table), float(domain.radius) * _LESS

    def sample(count: int, generator: torch.Generator) -> Tensor:
        inside = simplex.sample((count, *sizes[:-1]), generator)
        return inside + _shortened(_normal(inside.shape, generator), radius, norm) if radius else inside

    def project(x: Tensor) -> Tensor:
        inside = simplex.project(x)
        return inside + _shortened(x - inside, radius, norm) if radius else inside

    return Points(sample, project)


@dataclass(frozen=True)
class Simplex:
    """The convex hull of affinely independent rows of a table, a part of the hull of them all.

    In it the weights of a point are linear in the point: projection is cheap and continuous, so that short pairs of
    points stay short pairs.
    corners: (corners, features), float64. inverse: (features, corners - 1), from a point to the weights of all
    corners but the first.
    """

    corners: Float[Tensor, "corners features"]
    inverse: Float[Tensor, "features others"]

    @classmethod
    def of(cls, table: Tensor) -> "Simplex":
        """Corners far from one another: QR with pivots picks the row farthest from the plane of those before."""
        from scipy.linalg import qr

        rows = _some_rows(table)
        first, others = rows[:1], rows[1:] - rows[:1]
        if len(others) == 0:
            return cls(first, others.T)
        triangle, order = qr(others.T.numpy(), mode="r", pivoting=True)
        heights = abs(triangle.diagonal())
        keep = order[: int((heights > _FLAT * heights[0]).sum())][: _CORNERS - 1]
        return cls(torch.cat([first, rows[1:][keep]]), torch.linalg.pinv(others[keep]))

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Points (*shape, features): near a corner, on an edge, or well inside."""
        uniform, power = (
            torch.rand(*shape, count, generator=generator, dtype=torch.float64) for count in (len(self.corners), 1)
        )
        weights = (uniform.clamp_min(1e-12).log().neg() ** (1 + 30 * power)).clamp_min(1e-300)
        return (weights / weights.sum(-1, keepdim=True)) @ self.corners

    def project(self, x: Tensor) -> Tensor:
        """(…, features) → the same: the nearest weights in place of those of the point, which may be negative."""
        others = (x - self.corners[0]) @ self.inverse
        weights = torch.cat([1 - others.sum(-1, keepdim=True), others], dim=-1)
        return _nearest_weights(weights) @ self.corners


def _some_rows(table: Tensor) -> Tensor:
    """Different rows, at random where there are many; always the same."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(table), generator=generator)[:_CANDIDATES]
    return table.detach()[chosen].to(torch.float64)


def _nearest_weights(weights: Tensor) -> Tensor:
    """The nearest weights that are not negative and have the sum 1 (Held, Wolfe and Crowder 1974): a threshold is
    taken off all of them."""
    largest = weights.sort(dim=-1, descending=True).values
    count = torch.arange(1, weights.shape[-1] + 1, dtype=weights.dtype)
    off = (largest.cumsum(-1) - 1) / count
    last = (largest > off).sum(-1, keepdim=True).clamp_min(1) - 1
    positive = (weights - off.gather(-1, last)).clamp_min(0)
    return positive / positive.sum(-1, keepdim=True)


def _shortened(move: Tensor, radius: float, norm: Norm) -> Tensor:
    """The move, token by token (in l2 as a whole, in linf entry by entry) of at most this norm."""
    if norm.inner == "inf":
        return move.clamp(-radius, radius)
    longest = radius / float(norm.unit(move.shape[-1]))
    length = move.norm(dim=-1, keepdim=True) if norm.by_token else norm.of(move).reshape(-1, *[1] * (move.dim() - 1))
    return move * (longest / length.clamp_min(longest))


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
