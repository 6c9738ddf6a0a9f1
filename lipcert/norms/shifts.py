"""The search for the witness of a norm proof: a shift just above the largest eigenvalue of WᵀW."""

from collections.abc import Iterator

import numpy as np
from flint import arb
from jaxtyping import Float, Inexact
from scipy.linalg import blas, eigvalsh

from lipcert.norms import dense
from lipcert.norms.ball import UNDERFLOW, up
from lipcert.norms.dense import Square
from lipcert.norms.estimate import Ritz, Vector, largest_eigenvalue
from lipcert.norms.threads import threads_for

_MARGIN = 3e-8
_WIDEST_MARGIN = 1.5e-6  # of σ², so 0.75e-6 of σ
_SMALL = 96
"""Up to this many columns, all eigenvalues cost less than Lanczos."""
_SEED = 20240229
LEAST_SHIFT = 2.0**-80
"""Of a stack scaled to [1, 2): so that a chunk of zero matrices is accepted; as a norm, 2^-40."""


def claim(accepted: float, rows: int, columns: int) -> tuple[float, arb]:
    """(witness, bound of λ) from a shift that Cholesky accepted here.

    λ <= accepted·(1+κ/2) by that proof, so a shift of accepted·(1+κ) lies above λ by more than all the
    rounding of a Cholesky factorisation anywhere; then the residual form proves at most (1+κ)·shift.
    """
    kappa = dense.headroom(rows, columns)
    shift = up(arb(accepted) * (1 + kappa))
    return shift, arb(shift) * (1 + kappa) + 2 * UNDERFLOW


def accepted_shift(matrix: Float[np.ndarray, "m n"]) -> tuple[float, float]:
    """A shift just above the largest eigenvalue of WᵀW that passes the Cholesky proof, and the guess at the eigenvalue.

    `matrix` is tall. Lanczos guesses from below.
    """
    for g, shift, guess in _attempts(matrix):
        if dense.eigenvalue_by_cholesky(g, matrix.shape[0], shift) is not None:
            return shift, guess
    raise ArithmeticError(f"no shift near the largest eigenvalue of a {matrix.shape} matrix is accepted")


def _attempts(matrix: Float[np.ndarray, "m n"]) -> Iterator[tuple[Square, float, float]]:
    """(Gram matrix, shift, guess at the eigenvalue), the tightest first; a proof overwrites the Gram matrix."""
    if matrix.shape[1] > _SMALL:
        g = dense.gram(matrix)
        guess = _ritz(g)
        likely = (guess.value + 4 * guess.error) * (1 + _MARGIN)
        widest = guess.value * (1 + _WIDEST_MARGIN)
        if likely < widest:
            yield g, likely, guess.value
            g = dense.gram(matrix)
        yield g, widest, guess.value
    exact = _largest(dense.gram(matrix))
    for margin in (_MARGIN, 1e-6, 1e-4, 1e-2):
        yield dense.gram(matrix), exact * (1 + margin), exact


def raised_shift(grams: Inexact[np.ndarray, "k n n"], rows: int, shift: float = LEAST_SHIFT) -> float:
    """The least shift found, at least `shift`, that Cholesky accepts for every Gram matrix of a stack."""
    if _accepts(grams, rows, shift):
        return shift
    sizes = np.linalg.norm(grams, axis=(1, 2))
    grams = grams[np.argsort(-sizes)]  # the largest first: little is left that raises the shift again
    return _raised(grams, rows, max(shift, _above(grams[0], rows)))


def _raised(grams: Inexact[np.ndarray, "k n n"], rows: int, shift: float) -> float:
    if _accepts(grams, rows, shift):
        return shift
    if len(grams) == 1:
        return _above(grams[0], rows)
    half = len(grams) // 2
    return _raised(grams[half:], rows, _raised(grams[:half], rows, shift))


def _above(g: Inexact[np.ndarray, "n n"], rows: int) -> float:
    """A shift just above the largest eigenvalue of one Gram matrix."""
    exact = _largest(np.array(g, order="F"))
    for margin in (_MARGIN, 1e-6, 1e-4, 1e-2):
        if _accepts(g[None], rows, exact * (1 + margin)):
            return exact * (1 + margin)
    raise ArithmeticError(f"no shift near the largest eigenvalue {exact} of a Gram matrix is accepted")


def _accepts(grams: Inexact[np.ndarray, "k n n"], rows: int, shift: float) -> bool:
    return dense.eigenvalue_by_cholesky(grams.copy(), rows, shift) is not None


def _ritz(g: Float[np.ndarray, "n n"]) -> Ritz:
    def multiply(x: Vector) -> Vector:
        return blas.dsymv(1.0, g, x, lower=1)

    with threads_for(len(g) ** 2 * 8):
        return largest_eigenvalue(multiply, len(g), np.random.default_rng(_SEED))


def _largest(g: Inexact[np.ndarray, "n n"]) -> float:
    """The largest eigenvalue, overwriting `g`."""
    last = len(g) - 1
    with threads_for(len(g) ** 3):
        return float(eigvalsh(g, lower=True, subset_by_index=(last, last), overwrite_a=True)[0])
