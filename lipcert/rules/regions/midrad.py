"""The l2 gain of a region with one nonlinearity by its mean slope and how far the slopes are from it.

The exit's increment is C Δx + B v with v = σ ⊙ AΔx, 0 <= σ <= 1 entry by entry (`regions.increments`). With
σ = 1/2 + S/2, |S| <= 1, it is (C + BA/2)Δx + ½ (BD) S (D⁻¹A)Δx for every positive diagonal D, as S and D commute:
    L <= |C + BA/2| + ½ |BD| |D⁻¹A|.
That is never looser than |C| + |B||A| for slopes in [0, 1], and costs a few products where multipliers need a factor of
all variables at once.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from flint import arb
from torch import Tensor

from lipcert.norms import ball
from lipcert.rules.regions.increments import Increments, Part, frobenius
from lipcert.rules.types import Prover


@runtime_checkable
class ScalingProver(Prover, Protocol):
    """A prover that also supplies the diagonal."""

    def scaling(self, key: str, left: Tensor, right: Tensor) -> Tensor:
        """A positive D for |BD| |D⁻¹A|; left: B, exit × variable; right: A, variable × entry."""
        ...


def prove_midrad(work: Increments, prover: ScalingProver, key: str) -> arb | None:
    """None where the region has not exactly one nonlinearity, or the diagonal is none."""
    parts = _Parts.of(work)
    if parts is None:
        return None
    c, b, a = parts.through, parts.after, parts.before
    scaling = prover.scaling(key, b.matrix, a.matrix)
    if not bool(((scaling > 1e-100) & (scaling < 1e100)).all()) or scaling.shape != (b.matrix.shape[1],):
        return None
    formed = b.matrix @ a.matrix
    middle = c.matrix + formed / 2
    # |BA - fl(BA)| <= γ_n |B||A|; the sum rounds once; errors of C, B and A come through.
    product = _error_of_product(b, a) + ball.gamma(b.matrix.shape[1]) * frobenius(b.matrix) * frobenius(a.matrix)
    error = c.error + product / 2 + ball.gamma(2) * frobenius(middle) + ball.UNDERFLOW
    mean = prover.spectral(f"{key}, mean slope", middle.numpy()) + error
    after = _norm(b.matrix * scaling, b.error * arb(float(scaling.max())), prover, f"{key}, after")
    inverse = 1 / scaling
    before = _norm(a.matrix * inverse[:, None], a.error * arb(float(inverse.max())), prover, f"{key}, before")
    return mean + after * before / 2


def _error_of_product(b: Part, a: Part) -> arb:
    return frobenius(b.matrix) * a.error + frobenius(a.matrix) * b.error + a.error * b.error


def _norm(matrix: Tensor, error: arb, prover: Prover, key: str) -> arb:
    """|BD| or |D⁻¹A| from its computed entries: 1/D is off by one unit of roundoff, and so is every product."""
    rounding = ball.gamma(3) * frobenius(matrix) + error * (1 + ball.gamma(2)) + ball.UNDERFLOW
    return prover.spectral(key, matrix.numpy()) + rounding


@dataclass(frozen=True)
class _Parts:
    """C, B and A."""

    through: Part
    after: Part
    before: Part

    @classmethod
    def of(cls, work: Increments) -> "_Parts | None":
        if len(work.sizes) != 2 or set(work.bends[0]) != {0} or 1 not in work.exit:
            return None
        after, before = work.exit[1], work.bends[0][0]
        empty = Part(torch.zeros(work.sizes[0], after.matrix.shape[0], dtype=torch.float64), arb(0))
        return cls(work.exit.get(0, empty), after, before)
