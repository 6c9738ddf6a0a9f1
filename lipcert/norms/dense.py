"""Proofs that no singular value of a matrix, or of a stack of matrices, exceeds a number.

Only the proving halves live here: each takes a *witness*, the number that a search found, and trusts
nothing about it. The witness is `shift`, a guess at σ_max² of the matrix scaled by the power of two that
brings its largest entry into [1, 2). A poor guess gives a poor bound or none, never a wrong one.

Notation of the comments: u = 2^-53, γ_k = ku/(1-ku), fl(·) is what binary64 computes, W the scaled matrix
made tall (m rows, n <= m columns), G = fl(WᵀW) of which one triangle is read, F >= ‖W‖_F², λ = σ_max(W)².

What is assumed of BLAS and LAPACK: an entry of a product is a sum of the m products in any order, fused or
not (Higham 2002, §3.1), and Cholesky obtains each entry of its factor from the defining equation by sums in
any order and one division or multiplication by a rounded reciprocal (so no Strassen, no inverted blocks,
no emulated binary64). Rounding is to nearest, and subnormal numbers are kept.

Underflow: entries of W are below 2^24 and shifts at most 2^100, so a lost product, quotient or scaled entry
costs less than 2^-1074 times 2^100. Even n²m of them stay far below the term 2^-900 of each bound.
"""

import math
from collections.abc import Callable

import numpy as np
from flint import arb
from jaxtyping import Float, Inexact
from scipy.linalg import blas, lapack

from lipcert.errors import InputError
from lipcert.norms.ball import UNDERFLOW, UNIT_ROUNDOFF, gamma, upper
from lipcert.norms.threads import threads_for

Matrix = Float[np.ndarray, "*stack m n"]
"""One matrix, or a stack of k of them (k, m, n) that share a scale, a shift and a bound."""

Square = Inexact[np.ndarray, "*stack n n"]

LARGEST_SHIFT = 2.0**100
_BLOCK = 256
_SMALL = 32
"""Columns up to which one call for a stack is faster than one for each matrix."""


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


def tall(w: Inexact[np.ndarray, "*stack m n"]) -> Inexact[np.ndarray, "*stack rows columns"]:
    """`w` or its transpose, whichever has the fewer columns: the smaller Gram matrix, the same norm."""
    return w if w.shape[-2] >= w.shape[-1] else w.swapaxes(-1, -2)


def gram(w: Inexact[np.ndarray, "*stack m n"]) -> Square:
    """fl(WᵀW), for complex W fl(WᴴW). Only its lower triangle is to be read."""
    with threads_for(w.shape[-2] * w.shape[-1] ** 2):
        return _gram(w)


def _gram(w: Inexact[np.ndarray, "*stack m n"]) -> Square:
    if w.ndim == 2:
        return blas.dsyrk(1.0, w, trans=1, lower=1) if w.flags.f_contiguous else blas.dsyrk(1.0, w.T, lower=1)
    if w.shape[-1] <= _SMALL:
        product: np.ndarray = w.conj().swapaxes(-1, -2) @ w
        return product
    multiply = blas.zherk if np.iscomplexobj(w) else blas.dsyrk
    grams = np.empty((len(w), w.shape[-1], w.shape[-1]), dtype=w.dtype)
    for g, each in zip(grams, w, strict=True):
        g[...] = multiply(1.0, each.T, lower=0).T
    return grams


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

    Complex W = R + iI stands for [[R, -I], [I, R]]: twice the rows, columns, F and trace, the same λ. The
    parts of an entry of WᴴW are its Gram entries, sums of 2m products. With its rows interleaved, the factor
    L of complex Cholesky becomes a lower triangular real one, pivots being real, and the parts of its entries
    come from the equations of a real factorisation of twice the size (no 3M products).
    """
    width = 1 + np.iscomplexobj(g)
    m, n = width * rows, width * g.shape[-1]
    frobenius = width * _trace(g) / (1 - gamma(m + n))
    a, diagonal = _shifted(g, shift)
    if _factor(a) is None:
        return None
    trace = width * arb(_largest(diagonal.sum(axis=-1))) / (1 - gamma(n))
    rounding = gamma(m) * frobenius + gamma(n + 3) / (1 - gamma(n + 3)) * trace
    return upper(arb(shift) + rounding + arb(UNIT_ROUNDOFF) * arb(_largest(diagonal)) + UNDERFLOW)


def eigenvalue_by_residual(g: Square, rows: int, shift: float) -> arb:
    """A bound λ of the largest eigenvalue of WᵀW from its Gram matrix and any finite L.

    With M = [W; Lᵀ], H = fl(MᵀM) (one triangle, mirrored) and D = H with fl(h_ii - s) on the diagonal:
    LLᵀ ⪰ 0, so λ <= ‖MᵀM‖₂ <= s + ‖H - sI‖₂ + ‖H - MᵀM‖₂ <= s + (1+u)‖D‖_F + γ_(m+n)‖M‖_F².
    L = 0 where Cholesky fails. Complex W: as in `eigenvalue_by_cholesky`, but ‖D‖_F serves as it is, and the
    imaginary part of h_ii, truly 0, is dropped.
    """
    width = 1 + np.iscomplexobj(g)
    m, n = width * rows, width * g.shape[-1]
    factor = _factor(_shifted(g.copy(order="K"), shift)[0])
    if factor is None:
        factor = np.zeros_like(g)
    squared = width * (_trace(g) / (1 - gamma(m + n)) + _largest_sum_of_squares(factor))
    residual = _residual(g, factor, shift)
    return upper(arb(shift) + (1 + arb(UNIT_ROUNDOFF)) * residual + gamma(m + n) * squared + UNDERFLOW)


def headroom(rows: int, columns: int) -> arb:
    """κ such that a shift that Cholesky accepts gives, by residual, a bound of at most (1+κ)·shift + 2^-899.

    Whatever the order of the sums. If A = LLᵀ - E as in `eigenvalue_by_cholesky` then λ <= s(1+small), hence
    F <= n·s and tr A <= n·s up to 1 %, ‖M‖_F² <= ‖W‖_F² + tr A/(1-γ) <= 1.01·n·s, and
    ‖D‖_F <= γ_(m+n)‖M‖_F² + γ_m F + γ_(n+3)/(1-γ)·tr A + u·√n·s <= 2.1·n·γ_(m+n+4)·s, of which
    `_residual` sees at most √2 times as much. The last term of that form adds another 1.01·n·γ_(m+n)·s.
    """
    return 5 * columns * gamma(rows + columns + 4)


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
    diagonal = shift - _diagonal(g).real
    np.negative(g, out=g)
    _diagonal(g)[...] = diagonal
    return g, diagonal


def _factor(a: Square) -> Square | None:
    """The lower Cholesky factor of `a` (overwritten), or None where there is none.

    LAPACK reports success on NaN and infinity, so success is not enough.
    """
    with threads_for(a.shape[-1] ** 3):
        factor = _factor_stack(a) if a.ndim > 2 else _factor_one(a)
    if factor is None:
        return None
    positive = (_diagonal(factor) > 0).all()
    return factor if positive and np.isfinite(factor).all() else None


def _factor_one(a: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"] | None:
    factor, failed = lapack.dpotrf(a, lower=1, clean=1, overwrite_a=1)
    return None if failed else factor


def _factor_stack(stack: Inexact[np.ndarray, "k n n"]) -> Inexact[np.ndarray, "k n n"] | None:
    if stack.shape[-1] <= _SMALL:
        try:
            return np.linalg.cholesky(stack)
        except np.linalg.LinAlgError:
            return None
    factorise = lapack.zpotrf if np.iscomplexobj(stack) else lapack.dpotrf
    for a in stack:  # aᵀ is what LAPACK takes in place: aᵀ = UᴴU makes a = LLᴴ with L = Uᵀ
        if factorise(a.T, lower=0, clean=1, overwrite_a=1)[1]:
            return None
    return stack


def _residual(g: Square, factor: Square, shift: float) -> arb:
    """A bound of ‖D‖_F, D = fl(G + LLᵀ) - sI, column block by column block.

    The lower triangle counted twice is at least the mirrored whole. At most 2n² squares, summed in any order.
    """
    n = g.shape[-1]
    squares = np.zeros(g.shape[:-2])
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        with threads_for(n**3):
            block = factor[..., start:, :stop] @ factor[..., start:stop, :stop].conj().swapaxes(-1, -2)
        block += g[..., start:, start:stop]
        square = block[..., : stop - start, :]
        _diagonal(square)[...] = _diagonal(square).real - shift
        square[...] = np.tril(square)
        squares = squares + _sums_of_squares(block)
    return (2 * arb(_largest(squares)) / (1 - gamma(2 * n * n)) + UNDERFLOW).sqrt()


def _largest_sum_of_squares(x: Inexact[np.ndarray, "*stack m n"]) -> arb:
    """A bound, up to underflow, of the largest squared Frobenius norm in a stack: products in any order."""
    return arb(_largest(_sums_of_squares(x))) / (1 - gamma(2 * x.shape[-2] * x.shape[-1]))


def _sums_of_squares(x: Inexact[np.ndarray, "*stack m n"]) -> np.ndarray | np.floating:
    squares: np.ndarray | np.floating = np.einsum("...ij,...ij->...", x.real, x.real)
    return squares + np.einsum("...ij,...ij->...", x.imag, x.imag) if np.iscomplexobj(x) else squares


def _trace(g: Square) -> arb:
    return arb(_largest(_diagonal(g).real.sum(axis=-1)))


def _diagonal(g: Square) -> Inexact[np.ndarray, "*stack n"]:
    """A writable view."""
    view: np.ndarray = np.einsum("...ii->...i", g)
    return view


def _largest(values: np.ndarray | np.floating) -> float:
    return float(np.max(values))
