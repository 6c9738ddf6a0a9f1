"""Proofs that no singular value of a matrix, or of a stack of matrices, exceeds a number.

Only the proving halves live here: each takes a *witness*, the number that a search found, and trusts
nothing about it. The witness is `shift`, a guess at σ_max² of the matrix scaled by the power of two that
brings its largest entry into [1, 2). A poor guess gives a poor bound or none, never a wrong one.

Notation of the comments: u = 2^-53, γ_k = ku/(1-ku), fl(·) is what binary64 computes, W the scaled matrix
made tall (m rows, n <= m columns), G = fl(WᵀW) of which one triangle is read, F >= ‖W‖_F², λ = σ_max(W)².

What is assumed of BLAS and LAPACK: an entry of a product is a sum of the m products in any order, fused or
not (Higham 2002, §3.1), and Cholesky obtains each entry of its factor from the defining equation by sums in
any order and one division or multiplication by a rounded reciprocal (so no Strassen, no inverted blocks,
no emulated binary64). Rounding is to nearest.

Underflow: entries of W are below 2^24 and shifts below 2^100, so a lost product, quotient or scaled entry
costs less than 2^-1022 times 2^100. Even n²m of them stay far below the term 2^-900 of each bound,
subnormals flushed to zero or not.
"""

import math
from collections.abc import Callable

import numpy as np
from flint import arb
from jaxtyping import Float
from scipy.linalg import blas, lapack

from lipcert.errors import InputError
from lipcert.norms.ball import UNDERFLOW, UNIT_ROUNDOFF, gamma, upper

Matrix = Float[np.ndarray, "*stack m n"]
"""One matrix, or a stack of k of them (k, m, n) that share a scale, a shift and a bound."""

Square = Float[np.ndarray, "*stack n n"]

LARGEST_SHIFT = 2.0**100
_BLOCK = 256


def prove_by_cholesky(w: Matrix, shift: float) -> arb | None:
    """An upper bound of the largest singular value of `w` (of all matrices of a stack).

    None where the factorisation fails (`shift` lies below σ_max² of the scaled matrix, or above it by
    rounding only), and for NaN or infinity. A zero or empty matrix gives 0.
    """
    return _prove(w, shift, eigenvalue_by_cholesky)


def prove_by_residual(w: Matrix, shift: float) -> arb | None:
    """An upper bound of the largest singular value of `w`, without a theorem about Cholesky.

    Twice the work of `prove_by_cholesky`. None only for NaN, infinity and a shift outside [0, 2^100].
    """
    return _prove(w, shift, eigenvalue_by_residual)


def prove_linf(w: Float[np.ndarray, "m n"]) -> arb:
    """An upper bound of the largest ℓ1 norm of a row, the operator norm from ℓ∞ to ℓ∞.

    Raises InputError for NaN and infinity.
    """
    scaled, exponent = finite(w)
    if not scaled.any():
        return arb(0)
    # Positive terms, n - 1 additions in any order: Σ|w| <= fl(Σ|w|)/(1-γ_n) (Higham 2002, §4.2).
    longest = float(np.abs(scaled).sum(axis=1).max())
    return upper((arb(longest) / (1 - gamma(scaled.shape[1])) + UNDERFLOW) * arb(2) ** exponent)


def frobenius_upper(w: Matrix) -> arb:
    """An upper bound of the Frobenius norm of `w` (of the largest of a stack). Raises InputError for NaN."""
    scaled, exponent = finite(w)
    if not scaled.any():
        return arb(0)
    return upper((_largest_sum_of_squares(scaled) + UNDERFLOW).sqrt() * arb(2) ** exponent)


def scale(w: Matrix) -> tuple[Matrix, int] | None:
    """(2^-e w in float64, e) with the largest absolute entry in [1, 2); None for NaN and infinity.

    Exact but for entries that turn subnormal, which belong to the underflow term. Zero has e = 0.
    """
    if w.dtype.kind != "f" or w.dtype.itemsize > 8:
        raise TypeError(f"a proof needs float16, float32 or float64 weights, not {w.dtype}")
    peak = float(max(w.max(), -w.min())) if w.size else 0.0
    if not math.isfinite(peak):
        return None
    exponent = math.frexp(peak)[1] - 1 if peak else 0
    return np.ldexp(w, -exponent, dtype=np.float64), exponent


def finite(w: Matrix) -> tuple[Matrix, int]:
    """`scale`, or InputError for NaN and infinity."""
    scaled = scale(w)
    if scaled is None:
        raise InputError(
            f"a weight of shape {w.shape} holds NaN or infinity: no norm of it is finite",
            hint="train again, or look for a division by zero or an overflow in the file that was read",
        )
    return scaled


def tall(w: Matrix) -> Float[np.ndarray, "*stack rows columns"]:
    """`w` or its transpose, whichever has the fewer columns: the smaller Gram matrix, the same norm."""
    return w if w.shape[-2] >= w.shape[-1] else w.swapaxes(-1, -2)


def gram(w: Matrix) -> Square:
    """fl(WᵀW). Only its lower triangle is to be read."""
    if w.ndim > 2:
        product: np.ndarray = w.swapaxes(-1, -2) @ w
        return product
    if w.flags.f_contiguous:
        return blas.dsyrk(1.0, w, trans=1, lower=1)
    return blas.dsyrk(1.0, w.T, lower=1)


def eigenvalue_by_cholesky(g: Square, rows: int, shift: float) -> arb | None:
    """A bound λ of the largest eigenvalue of WᵀW from its Gram matrix (overwritten). None: no proof.

    Let A be -G with fl(s - g_ii) on the diagonal, and L the computed factor of A.
    (a) ‖G - WᵀW‖₂ <= γ_m ‖ |W|ᵀ|W| ‖₂ <= γ_m F               (Higham 2002, eq. 3.13; ‖|W|‖_F = ‖W‖_F)
    (b) ‖A - (sI - G)‖₂ <= u·max a_ii                          (fl(x) = x/(1+δ), |δ| <= u)
    (c) L Lᵀ = A + E, |E| <= γ_(n+1)|L||Lᵀ|                    (Higham 2002, Thm 10.3), and the rows of L
        have ‖l_i‖² <= a_ii/(1-γ_(n+1)), so ‖E‖₂ <= γ/(1-γ)·tr A (Demmel 1989; Rump 2006, "Verification of
        positive definiteness"). n + 3 in place of n + 1 pays for the reciprocal of the pivot and for
        subtracting block by block.
    L Lᵀ ⪰ 0, so sI - WᵀW ⪰ -((a) + (b) + ‖E‖₂) I.
    """
    n = g.shape[-1]
    frobenius = _trace(g) / (1 - gamma(rows + n))
    a, diagonal = _shifted(g, shift)
    if _factor(a) is None:
        return None
    cholesky = gamma(n + 3) / (1 - gamma(n + 3)) * arb(_largest(diagonal.sum(axis=-1))) / (1 - gamma(n))
    rounding = gamma(rows) * frobenius + cholesky + arb(UNIT_ROUNDOFF) * arb(_largest(diagonal))
    return upper(arb(shift) + rounding + UNDERFLOW)


def eigenvalue_by_residual(g: Square, rows: int, shift: float) -> arb:
    """A bound λ of the largest eigenvalue of WᵀW from its Gram matrix and any finite L.

    With M = [W; Lᵀ], H = fl(MᵀM) (one triangle, mirrored) and D = H with fl(h_ii - s) on the diagonal:
    LLᵀ ⪰ 0, so λ <= ‖MᵀM‖₂ <= s + ‖H - sI‖₂ + ‖H - MᵀM‖₂ <= s + (1+u)‖D‖_F + γ_(m+n)‖M‖_F².
    L = 0 where Cholesky fails.
    """
    n = g.shape[-1]
    factor = _factor(_shifted(g.copy(order="K"), shift)[0])
    if factor is None:
        factor = np.zeros_like(g)
    trace = _trace(g) / (1 - gamma(rows + n)) + _largest_sum_of_squares(factor)
    residual = _residual(g, factor, shift)
    return upper(arb(shift) + (1 + arb(UNIT_ROUNDOFF)) * residual + gamma(rows + n) * trace + UNDERFLOW)


def headroom(rows: int, columns: int) -> arb:
    """κ such that a shift that Cholesky accepts gives, by residual, a bound of at most (1+κ)·shift + 2^-899.

    Whatever the order of the sums. If A = LLᵀ - E as in `eigenvalue_by_cholesky` then λ <= s(1+small), hence
    F <= n·s and tr A <= n·s up to 1 %, ‖M‖_F² <= ‖W‖_F² + tr A/(1-γ) <= 1.01·n·s, and
    ‖D‖_F <= γ_(m+n)‖M‖_F² + γ_m F + γ_(n+3)/(1-γ)·tr A + u·√n·s <= 2.1·n·γ_(m+n+4)·s,
    to which the last term of the residual form adds another 1.01·n·γ_(m+n)·s.
    """
    return 4 * columns * gamma(rows + columns + 4)


def _prove(w: Matrix, shift: float, eigenvalue: Callable[[Square, int, float], arb | None]) -> arb | None:
    scaled = scale(w)
    if scaled is None or not 0 <= shift <= LARGEST_SHIFT:
        return None
    matrix, exponent = tall(scaled[0]), scaled[1]
    if not matrix.any():
        return arb(0)
    bound = eigenvalue(gram(matrix), matrix.shape[-2], shift)
    return None if bound is None else upper(bound.sqrt() * arb(2) ** exponent)


def _shifted(g: Square, shift: float) -> tuple[Square, Float[np.ndarray, "*stack n"]]:
    """A = fl(sI - G) in the place of G, and its diagonal."""
    diagonal = shift - np.diagonal(g, axis1=-2, axis2=-1)
    np.negative(g, out=g)
    np.einsum("...ii->...i", g)[...] = diagonal
    return g, diagonal


def _factor(a: Square) -> Square | None:
    """The lower Cholesky factor of `a` (overwritten), or None where there is none.

    LAPACK reports success on NaN and infinity, so success is not enough.
    """
    if a.ndim > 2:
        try:
            factor = np.linalg.cholesky(a)
        except np.linalg.LinAlgError:
            return None
    else:
        factor, failed = lapack.dpotrf(a, lower=1, clean=1, overwrite_a=1)
        if failed:
            return None
    positive = (np.diagonal(factor, axis1=-2, axis2=-1) > 0).all()
    return factor if positive and np.isfinite(factor).all() else None


def _residual(g: Square, factor: Square, shift: float) -> arb:
    """A bound of ‖D‖_F, D = fl(G + LLᵀ) - sI, column block by column block.

    The lower triangle counted twice is at least the mirrored whole; n² squares are summed in any order.
    """
    n = g.shape[-1]
    squares = np.zeros(g.shape[:-2])
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        block = factor[..., start:, :stop] @ factor[..., start:stop, :stop].swapaxes(-1, -2)
        block += g[..., start:, start:stop]
        square = block[..., : stop - start, :]
        np.einsum("...ii->...i", square)[...] -= shift
        square[...] = np.tril(square)
        squares = squares + np.einsum("...ij,...ij->...", block, block)
    return (2 * arb(_largest(squares)) / (1 - gamma(n * n)) + UNDERFLOW).sqrt()


def _largest_sum_of_squares(x: Matrix) -> arb:
    """A bound, up to underflow, of the largest squared Frobenius norm in a stack: products in any order."""
    squares = _largest(np.einsum("...ij,...ij->...", x, x))
    return arb(squares) / (1 - gamma(x.shape[-2] * x.shape[-1]))


def _trace(g: Square) -> arb:
    return arb(_largest(np.diagonal(g, axis1=-2, axis2=-1).sum(axis=-1)))


def _largest(values: np.ndarray | np.floating) -> float:
    return float(np.max(values))
