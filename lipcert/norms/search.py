"""The search side of proved norms: find a witness, prove with it, and say what the checker will confirm."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb
from jaxtyping import Float
from scipy.linalg import blas, eigvalsh

from lipcert.norms import dense
from lipcert.norms.ball import UNDERFLOW, up, upper
from lipcert.norms.dense import Matrix, Square
from lipcert.norms.estimate import Ritz, Vector, largest_eigenvalue

Witness = dict[str, float | int | str | list[int]]

_MARGIN = 3e-8
_WIDEST_MARGIN = 1.5e-6  # of σ², so 0.75e-6 of σ
_SMALL = 96
_SEED = 20240229


@dataclass(frozen=True)
class ProvedNorm:
    """A proved upper bound of an operator norm, and what the checker needs to prove it again."""

    upper: arb
    witness: Witness


def spectral_norm(w: Float[np.ndarray, "m n"]) -> ProvedNorm:
    """The largest singular value of `w`, proved, at most 1e-6 above the truth (relative).

    The witness {"shift"} fits `dense.prove_by_residual`, whose bound stays below `upper` whatever the
    order of its sums. Raises InputError for NaN and infinity.
    """
    scaled, exponent = dense.finite(w)
    matrix = dense.tall(scaled)
    if not matrix.any():
        return ProvedNorm(arb(0), {"shift": 0.0})
    shift, square = claim(_accepted_shift(matrix), *matrix.shape)
    return ProvedNorm(upper(square.sqrt() * arb(2) ** exponent), {"shift": shift})


def spectral_norms(weights: Sequence[Float[np.ndarray, "m n"]]) -> list[ProvedNorm]:
    """`spectral_norm` of each."""
    return [spectral_norm(w) for w in weights]


def claim(accepted: float, rows: int, columns: int) -> tuple[float, arb]:
    """(witness, bound of λ) from a shift that Cholesky accepted here.

    λ <= accepted·(1+κ/2) by that proof, so a shift of accepted·(1+κ) lies above λ by more than all the
    rounding of a Cholesky factorisation anywhere; then the residual form proves at most (1+κ)·shift.
    """
    kappa = dense.headroom(rows, columns)
    shift = up(arb(accepted) * (1 + kappa))
    return shift, arb(shift) * (1 + kappa) + 2 * UNDERFLOW


def _accepted_shift(matrix: Matrix) -> float:
    """A shift just above the largest eigenvalue of WᵀW that passes the Cholesky proof."""
    for g, shift in _attempts(matrix):
        if dense.eigenvalue_by_cholesky(g, matrix.shape[0], shift) is not None:
            return shift
    raise ArithmeticError(f"no shift near the largest eigenvalue of a {matrix.shape} matrix is accepted")


def _attempts(matrix: Matrix) -> Iterator[tuple[Square, float]]:
    """(Gram matrix, shift), the tightest first; each proof overwrites the Gram matrix it is given."""
    if matrix.shape[1] > _SMALL:
        g = dense.gram(matrix)
        guess = _ritz(g)
        likely = (guess.value + 4 * guess.error) * (1 + _MARGIN)
        widest = guess.value * (1 + _WIDEST_MARGIN)
        if likely < widest:
            yield g, likely
            g = dense.gram(matrix)
        yield g, widest
    exact = _largest_eigenvalue(dense.gram(matrix))
    for margin in (_MARGIN, 1e-6, 1e-4, 1e-2):
        yield dense.gram(matrix), exact * (1 + margin)


def _ritz(g: Square) -> Ritz:
    def multiply(x: Vector) -> Vector:
        return blas.dsymv(1.0, g, x, lower=1)

    return largest_eigenvalue(multiply, len(g), np.random.default_rng(_SEED))


def _largest_eigenvalue(g: Square) -> float:
    last = len(g) - 1
    return float(eigvalsh(g, lower=True, subset_by_index=(last, last), overwrite_a=True)[0])
