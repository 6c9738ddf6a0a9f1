"""Estimates of the largest singular value. They converge from below, so none is ever a bound.

They give the estimate column of a result and the starting guess of a proof; their type keeps them apart.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh_tridiagonal

Vector = Float[np.ndarray, " n"]
Multiply = Callable[[Vector], Vector]

_STEPS_BETWEEN_CHECKS = 5
_MOST_STEPS = 400


@dataclass(frozen=True)
class Estimate:
    """A guess at an operator norm. It may lie below the truth and proves nothing."""

    value: float


@dataclass(frozen=True)
class Ritz:
    """A Ritz value of a symmetric positive semidefinite operator, and a guess at how far below the
    largest eigenvalue it lies."""

    value: float
    error: float


@dataclass(frozen=True)
class LinearMap:
    """x -> Wx and y -> Wᵀy on flat float64 vectors; `inputs` is the length of x."""

    forward: Multiply
    adjoint: Multiply
    inputs: int


def power_iteration(w: Float[np.ndarray, "m n"] | LinearMap, iterations: int, rng: np.random.Generator) -> Estimate:
    """‖Wx‖ for the unit vector x that power iteration on WᵀW reaches from a random one."""
    linear = _as_map(w)
    x = _unit(rng.standard_normal(linear.inputs))
    for _ in range(iterations):
        x = _unit(linear.adjoint(_unit(linear.forward(x))))
    return Estimate(float(_length(linear.forward(x))))


def lanczos(w: Float[np.ndarray, "m n"] | LinearMap, rng: np.random.Generator) -> Estimate:
    """The largest Ritz value of WᵀW, stopped adaptively; what Golub–Kahan bidiagonalisation gives."""
    linear = _as_map(w)
    x = _unit(rng.standard_normal(linear.inputs))
    size = float(_length(linear.forward(x)))
    if size == 0:
        return Estimate(0.0)
    ritz = largest_eigenvalue(lambda v: linear.adjoint(linear.forward(v) / size) / size, linear.inputs, rng)
    return Estimate(size * ritz.value**0.5)


def largest_eigenvalue(multiply: Multiply, size: int, rng: np.random.Generator, *, tolerance: float = 1e-7) -> Ritz:
    """Lanczos with full reorthogonalisation (Parlett 1998, ch. 13) until the guess at its relative error
    is below `tolerance`, or after 400 steps."""
    limit = min(size, _MOST_STEPS)
    basis = np.empty((limit, size))
    diagonal, beside = np.empty(limit), np.empty(limit)
    q = _unit(rng.standard_normal(size))
    for step in range(limit):
        basis[step] = q
        known = basis[: step + 1]
        r = multiply(q)
        diagonal[step] = q @ r
        for _ in range(2):
            r = r - (known @ r) @ known
        beside[step] = _length(r)
        last = step + 1 == limit or beside[step] <= tolerance * diagonal[: step + 1].max()
        if last or (step + 1) % _STEPS_BETWEEN_CHECKS == 0:
            ritz = _ritz(diagonal[: step + 1], beside[: step + 1])
            if last or ritz.error <= tolerance * ritz.value:
                break
        q = r / beside[step]
    return ritz


def _ritz(diagonal: Vector, beside: Vector) -> Ritz:
    """The largest Ritz value θ. Its error is about ρ²/gap, ρ the residual (Parlett 1998, §11.7)."""
    steps = len(diagonal)
    first = max(steps - 2, 0)
    values, vectors = eigh_tridiagonal(diagonal, beside[:-1], select="i", select_range=(first, steps - 1))
    residual = beside[-1] * abs(vectors[-1, -1])
    gap = values[-1] - values[0]
    return Ritz(float(values[-1]), float(min(residual, residual**2 / gap) if gap > 0 else residual))


def _as_map(w: Float[np.ndarray, "m n"] | LinearMap) -> LinearMap:
    if isinstance(w, LinearMap):
        return w
    matrix = w.astype(np.float64, copy=False)
    return LinearMap(lambda x: matrix @ x, lambda y: matrix.T @ y, matrix.shape[1])


def _unit(x: Vector) -> Vector:
    length = _length(x)
    return x / length if length > 0 else x


def _length(x: Vector) -> float:
    """‖x‖, also where the squares of its entries overflow or underflow."""
    peak = float(np.abs(x).max(initial=0.0))
    if peak == 0 or not np.isfinite(peak):
        return peak
    return peak * float(np.linalg.norm(x / peak))
