"""Newton-Schulz iterations: all singular values of a matrix towards 1 at once, by products alone.

A step is the odd polynomial ax + bx³ + cx⁵ on every singular value: X ← aX + bXXᵀX + c(XXᵀ)²X. The sets are those of
arXiv 2507.13338, of Keller Jordan's Muon and of the NanoGPT speed runs.
"""

import math
from collections.abc import Sequence
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

ROUNDING = {"float32": 2.0**-12, "bfloat16": 3 / 64}
"""By how much rounding lifts singular values above `largest`; `python -m benchmarks.training rounding` measures less
than half of it."""

_RESTART = 3
"""Steps on a Gram matrix before it is made again: each multiplies its rounding by up to a² = 17. In bfloat16 two in
turn are too many already: with a Hadamard basis singular values of 3.9 came out."""

_WIDE = 1.5
"""From this ratio of the sides on, several steps on one Gram matrix are fewer products."""


def update_norm(polynomials: str, dtype: str) -> float:
    """What no singular value of an orthogonalised matrix is above: proved but for the rounding, which is measured."""
    return SETS[polynomials].largest + ROUNDING[dtype]


def orthogonalise(
    matrices: Float[Tensor, "b m n"], polynomials: Polynomials, dtype: torch.dtype | None = None
) -> Float[Tensor, "b m n"]:
    """Matrices with the same singular vectors and singular values near 1, computed in `dtype` or in their own.

    Each is scaled to a Frobenius norm of at most 1 first; from a norm below 1e-12, not quite so far up. Zero stays
    zero, and what holds a NaN or an infinity becomes NaN.
    """
    x, steps = scaled(matrices, dtype or matrices.dtype), polynomials.steps
    wide = max(x.shape[1:]) >= _WIDE * min(x.shape[1:])
    length = _RESTART if wide and x.dtype == torch.float32 else 1
    for start in range(0, len(steps), length):
        x = _steps(x, steps[start : start + length])
    return x.to(matrices.dtype)


def _steps(x: Float[Tensor, "b m n"], steps: Sequence[Coefficients]) -> Float[Tensor, "b m n"]:
    """By products of the smaller side: G = XXᵀ, then G ← QGQ with Q = a + bG + cG² step by step, and X ← …Q₂Q₁X.

    All of these matrices are polynomials in the first G, so they commute, and their products are symmetric.
    """
    gram, whole = _gram(x), None
    for number, (a, b, c) in enumerate(steps, 1):
        q = symmetric(gram, gram, gram, alpha=c, beta=b)
        q.diagonal(dim1=1, dim2=2).add_(a)
        whole = q if whole is None else symmetric(whole, q)
        if number < len(steps):
            gram = symmetric(symmetric(q, gram), q)
    if whole is None:
        return x
    return x @ whole if _tall(x) else whole @ x


def _tall(x: Float[Tensor, "b m n"]) -> bool:
    return x.shape[1] > x.shape[2]


def _gram(x: Float[Tensor, "b m n"]) -> Float[Tensor, "b k k"]:
    """Of the smaller side."""
    return symmetric(x.mT, x) if _tall(x) else symmetric(x, x.mT)


def symmetric(
    x: Float[Tensor, "b k n"],
    y: Float[Tensor, "b n k"],
    plus: Float[Tensor, "b k k"] | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> Float[Tensor, "b k k"]:
    """xy, or alpha·xy + beta·plus, which is known to be symmetric: of large matrices not all of it is computed."""
    side = x.shape[1]
    if x.device.type != "cpu" or x.dtype != torch.float32 or side < _LARGE:
        return _product(x, y, plus, alpha, beta)
    whole, height = x.new_empty(len(x), side, side), math.ceil(side / _STRIPS)
    for top in range(0, side, height):
        rows, right = slice(top, top + height), slice(top, side)
        corner = None if plus is None else plus[:, rows, right]
        whole[:, rows, right] = _product(x[:, rows], y[:, :, right], corner, alpha, beta)
        whole[:, top + height :, rows] = whole[:, rows, top + height :].mT
    return whole


_STRIPS, _LARGE = 4, 512
"""Strips of rows, each from the diagonal on: 5/8 of the product. Worth it where the CPU is at its peak rate."""


def _product(x: Tensor, y: Tensor, plus: Tensor | None, alpha: float, beta: float) -> Tensor:
    if plus is not None:
        return torch.baddbmm(plus, x, y, beta=beta, alpha=alpha)
    return torch.bmm(x, y) if len(x) > 1 else torch.mm(x[0], y[0])[None]  # bmm of one XXᵀ in bfloat16: twice as slow


def frobenius(matrices: Float[Tensor, "b m n"]) -> Float[Tensor, " b"]:
    """Above the Frobenius norm of each, rounding included."""
    rows = torch.linalg.vector_norm(matrices, dim=2)
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1)
    # A sum of n squares, then one of m, and the roots: wrong by at most (m + n)·2^-24 in float32.
    return norms * (1 + (matrices.shape[1] + matrices.shape[2]) * 2.0**-23)


def scaled(matrices: Float[Tensor, "b m n"], dtype: torch.dtype) -> Float[Tensor, "b m n"]:
    """Each divided by a little more than its Frobenius norm, so that it is at most 1 in `dtype` too."""
    norms = frobenius(matrices).clamp(min=_TINY)[:, None, None]
    # Three roundings to `dtype`: of the entries, of the factor, and of their product.
    return matrices.to(dtype) * (1 / (norms * (1 + 2 * torch.finfo(dtype).eps))).to(dtype)


_TINY = 1e-12
"""Squares that float32 loses are nothing beside its square. Matrices of a smaller norm are not scaled up to 1."""
