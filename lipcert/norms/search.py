"""The search side of proved norms: find a witness, prove with it, and say what the checker will confirm."""

import math
from dataclasses import dataclass

from flint import arb

from lipcert.norms import dense
from lipcert.norms.ball import upper
from lipcert.norms.conv import LARGEST_MATRIX, Conv, conv_symbols, group_matrices, matrix_size
from lipcert.norms.estimate import Estimate
from lipcert.norms.shifts import LEAST_SHIFT, accepted_shift, claim, raised_shift
from lipcert.norms.symbol import LARGEST_PERIOD

Witness = dict[str, float | int | str | list[int]]

_AFFORDABLE_MATRIX = 1e11
_AFFORDABLE_GRID = 3e11
"""Operations spent on one convolution as a matrix, and on a grid of frequencies; some seconds at most."""


@dataclass(frozen=True)
class ProvedNorm:
    """A proved upper bound of an operator norm, and what the checker needs to prove it again.

    estimate: of the norm, where the search has one.
    """

    upper: arb
    witness: Witness
    estimate: Estimate | None = None


def spectral_norm(w: dense.Matrix) -> ProvedNorm:
    """The largest singular value of `w`, or of a stack, proved, at most 1e-6 above the truth (relative).

    The witness {"shift"} fits `dense.prove_by_residual`, whose bound stays below `upper` whatever the
    order of its sums. Raises InputError for NaN and infinity.
    """
    scaled, exponent = dense.finite(w)
    matrix = dense.tall(scaled)
    if not matrix.any():
        return ProvedNorm(arb(0), {"shift": 0.0})
    rows, columns = matrix.shape[-2:]
    accepted, guess = accepted_shift(matrix) if matrix.ndim == 2 else (raised_shift(dense.gram(matrix), rows), 0.0)
    shift, square = claim(accepted, rows, columns)
    estimate = Estimate(math.ldexp(math.sqrt(guess), exponent)) if guess > 0 else None
    return ProvedNorm(upper(square.sqrt() * arb(2) ** exponent), {"shift": shift}, estimate)


def conv_norm(conv: Conv) -> ProvedNorm:
    """The l2 operator norm of `conv`, proved: at most 1e-6 above the truth (relative) where the operator is
    small enough to be a matrix, else on the finest grid of frequencies that is affordable and needed.

    The witness fits `conv.prove_conv` as that of `spectral_norm` fits its proof. Raises InputError for NaN
    and infinity.
    """
    dense.finite(conv.kernel.reshape(len(conv.kernel), -1))
    if not conv.kernel.any():
        return ProvedNorm(arb(0), {"method": "dense", "shift": 0.0})
    groups, a, b, _ = conv.grouped.shape
    work = groups * _work(a * math.prod(conv.window_size), b * math.prod(conv.read_size))
    small = work <= _AFFORDABLE_MATRIX and matrix_size(conv) <= LARGEST_MATRIX
    return _dense_norm(conv) if small else _grid_norm(conv)


def _dense_norm(conv: Conv) -> ProvedNorm:
    scaled, exponent = dense.finite(group_matrices(conv))
    stack = dense.tall(scaled)
    if not stack.any():  # every window reads padding only
        return ProvedNorm(arb(0), {"method": "dense", "shift": 0.0})
    rows, columns = stack.shape[1:]
    alone = len(stack) == 1
    accepted = accepted_shift(stack[0])[0] if alone else raised_shift(dense.gram(stack), rows)
    shift, square = claim(accepted, rows, columns)
    return ProvedNorm(upper(square.sqrt() * arb(2) ** exponent), {"method": "dense", "shift": shift})


def _grid_norm(conv: Conv) -> ProvedNorm:
    grid = _affordable_grid(conv)
    symbol = conv_symbols(conv, grid)
    assert symbol is not None  # the kernel is finite and the grid was chosen to prove something
    accepted = LEAST_SHIFT
    for rows, grams in symbol.grams():
        accepted = raised_shift(grams, rows, accepted)
    shift, square = claim(accepted, *symbol.shape)
    return ProvedNorm(symbol.norm(square), {"method": "grid", "grid": grid, "shift": shift})


def _affordable_grid(conv: Conv) -> list[int]:
    """The least exact grid (one point where the symbol is constant along an axis), made coarser along its
    longest axis while it costs too much and would lose less than 8 % there."""
    axes = conv.axes
    grid = [1 if axis.degree == 0 else axis.exact for axis in axes]
    groups, a, b, _ = conv.grouped.shape
    each = groups * _work(2 * a, 2 * b * math.prod(min(x.stride, len(x.phase)) for x in axes))
    while math.prod(grid) / 2 * each > _AFFORDABLE_GRID:
        coarser = [max(n * 7 // 8, 4 * axis.degree + 1) for n, axis in zip(grid, axes, strict=True)]
        gains = [n - m for n, m in zip(grid, coarser, strict=True)]
        if max(gains) <= 0:
            break
        longest = gains.index(max(gains))
        grid[longest] = coarser[longest]
    return grid if math.lcm(*grid) <= LARGEST_PERIOD else [max(grid)] * len(grid)


def _work(rows: int, columns: int) -> float:
    """Operations of one dense proof, about."""
    n, m = sorted((rows, columns))
    return n * n * (m + n / 3)
