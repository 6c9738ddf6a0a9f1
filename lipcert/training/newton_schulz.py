"""Newton-Schulz iterations: all singular values of a matrix towards 1 at once, by products alone.

A step is the odd polynomial ax + bx³ + cx⁵ on every singular value: X ← aX + bXXᵀX + c(XXᵀ)²X. The sets are those of
arXiv 2507.13338, of Keller Jordan's Muon and of the NanoGPT speed runs.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Coefficients = tuple[float, float, float]


class Polynomials(NamedTuple):
    """steps: (a, b, c) of each. largest: above the composition on [0, 1], in exact arithmetic."""

    steps: tuple[Coefficients, ...]
    largest: float


_PAPER = (
    (3955, -8306, 5008),
    (3735, -6681, 3463),
    (3799, -6499, 3211),
    (4019, -6385, 2906),
    (2677, -3029, 1162),
    (2172, -1833, 682),
)
_NANOGPT = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)

# tests/soundness/test_newton_schulz.py encloses each maximum in ball arithmetic; these are rounded up.
SETS: dict[str, Polynomials] = {
    "paper": Polynomials(tuple((a / 1024, b / 1024, c / 1024) for a, b, c in _PAPER), 0.999335),
    "jordan": Polynomials(((3.4445, -4.7750, 2.0315),) * 5, 1.202369),
    "nanogpt": Polynomials(_NANOGPT, 1.145021),
}

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

ROUNDING = {"float32": 2.0**-10, "bfloat16": 2.0**-3}
"""By how much rounding lifts the largest singular value above `largest`."""


def update_norm(polynomials: str, dtype: str) -> float:
    """What no singular value of an orthogonalised matrix is above: proved but for the rounding, which is measured."""
    return SETS[polynomials].largest + ROUNDING[dtype]


def orthogonalise(
    matrices: Float[Tensor, "b m n"], polynomials: Polynomials, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "b m n"]:
    """Matrices with the same singular vectors and singular values near 1, computed in `dtype`.

    Each is scaled to a Frobenius norm of at most 1 first. Zero stays zero, and what holds a NaN becomes NaN.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = scaled(matrices.mT if tall else matrices, dtype)
    for a, b, c in polynomials.steps:
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def frobenius(matrices: Float[Tensor, "b m n"]) -> Float[Tensor, " b"]:
    """Above the Frobenius norm of each, rounding included."""
    rows = torch.linalg.vector_norm(matrices, dim=2)
    # A sum of n squares, then one of m, and the roots: wrong by at most (m + n)·2^-24 in float32.
    return torch.linalg.vector_norm(rows, dim=1) * (1 + sum(matrices.shape[1:]) * 2.0**-23)


def scaled(matrices: Float[Tensor, "b m n"], dtype: torch.dtype) -> Float[Tensor, "b m n"]:
    """Each divided by a little more than its Frobenius norm, so that it is at most 1 in `dtype` too."""
    sizes = matrices.abs().amax((1, 2), keepdim=True)
    x = matrices / torch.where(sizes == 0, 1, sizes)  # squares neither overflow nor all vanish
    norms = frobenius(x)[:, None, None] * (1 + torch.finfo(dtype).eps)
    return (x / torch.where(norms == 0, 1, norms)).to(dtype)
