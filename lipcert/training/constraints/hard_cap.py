"""The spectral hard cap by products alone: min(σ, cap) as a polynomial of the Gram matrix times X.

min(σ, 1) = σ + σ(1/σ - 1)·[σ > 1]. Three quartics, one after the other, make the step [σ > 1] of λ = σ²; a quadratic
stands for 1/σ - 1 on (1, R], where alone it counts. Together a Gram matrix, seven products of the smaller side and
one of m×n by n×n, for degree 133 in σ. The coefficients come from a minimax search; nothing rests on how.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from lipcert.training.constraints.gram import add_product, gram, largest_upper
from lipcert.training.constraints.known import Known
from lipcert.training.constraints.svd_cap import svd_cap

RANGE = 21 / 16
"""R: the polynomial is known on [0, R], in units of its own cap."""

LARGEST = 1.0028
"""Above it on [0, R]; enclosed in ball arithmetic by tests/soundness/test_constraints_hard_cap.py, like LOWER."""

LOWER = 0.0029
"""min(σ, 1) minus it is at most that on [0, R]."""

_UNIT = 2.0**-16  # coefficients are exact in float32
STEP = (
    (-38864, 17124, -138336, 276046, -109070),
    (17933, 103836, 166859, -62347, -200252),
    (399, -16894, 186964, -184456, 52143),
)
"""Quartics, lowest degree first, in units of 2^-16: λ to about 0 below 1 and about 1 above."""

EXCESS = (65803, -83826, 17298)
"""1/√λ - 1 on (1, R²], in the same units."""


def hard_cap(x: Float[Tensor, "b m n"], known: Known) -> Float[Tensor, "b m n"]:
    """σ ← min(σ, cap), never above it, less than 0.6 % below it, and within 2·10^-5 of σ where σ < 0.74 cap.

    The polynomial is laid on aim/LARGEST, so that its largest value is the aim. Where a step was so long that σ may
    lie beyond its range, every norm is bounded, and the matrices that the bound does not clear are projected by SVD.
    """
    level = known.aim / LARGEST
    if not _largest(known.reach) <= RANGE * level:
        x = _brought_near(x, known, RANGE * level)
    g = gram(x, level)
    square = g @ g
    step = _quartic(g, square, STEP[0])
    for coefficients in STEP[1:]:
        step = _quartic(step, step @ step, coefficients)
    a, b, c = (_UNIT * each for each in EXCESS)
    excess = _plus_identity(torch.add(b * g, square, alpha=c), a)
    return add_product(x, excess @ step)


def _brought_near(x: Float[Tensor, "b m n"], known: Known, radius: float) -> Float[Tensor, "b m n"]:
    """`x` with those matrices projected whose norm is not proved to be at most `radius`."""
    far = (~(largest_upper(x) <= radius)).nonzero()[:, 0]
    return x.index_copy(0, far, svd_cap(x[far], known)) if len(far) else x


def _quartic(
    h: Float[Tensor, "b k k"], square: Float[Tensor, "b k k"], coefficients: tuple[int, ...]
) -> Float[Tensor, "b k k"]:
    """c0 + c1·H + H²(c2 + c3·H + c4·H²)."""
    c0, c1, c2, c3, c4 = (_UNIT * each for each in coefficients)
    inner = _plus_identity(torch.add(c3 * h, square, alpha=c4), c2)
    return _plus_identity(torch.baddbmm(h, square, inner, beta=c1), c0)


def _plus_identity(h: Float[Tensor, "b k k"], factor: float) -> Float[Tensor, "b k k"]:
    """`h`, changed in place."""
    h.diagonal(dim1=1, dim2=2).add_(factor)
    return h


def _largest(reach: float | Tensor) -> float:
    return float(reach.max()) if isinstance(reach, Tensor) else reach
