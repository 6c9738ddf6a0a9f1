"""The l2 gain of a region, proved from diagonal multipliers (the witness).

Theorem (S-procedure with incremental slope constraints: Fazlyab et al. 2019, corrected by Pauli et
al. 2021: only *diagonal* multipliers). Let v_0 be the entry's increment, y the exit's. If for some
T_i >= 0 the form  |v_0|² - Σ v_iᵀT_i(u_i - v_i) - 2 w·y + L²|w|²  is >= 0 for all v and w, then minimising
over w gives |v_0|² >= Σ v_iᵀT_i(u_i - v_i) + |y|²/L². On what the network can do each v_iᵀT_i(u_i - v_i) is
>= 0 (v_i lies between 0 and u_i entry by entry), so |y| <= L |v_0|.

Proof that the form is positive, in floating point: subtract a cushion s_i from each diagonal block,
compute any factor R at all, and bound what is left, E = blocks - cushion - R Rᵀ, with all roundings.
R Rᵀ >= 0 needs no theorem about Cholesky, and 2|v_iᵀE_ij v_j| <= |E_ij|(t|v_i|² + |v_j|²/t); so the form is
>= 0 if every cushion s_i is at least its share of the errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from flint import arb
from torch import Tensor

from lipcert.norms import ball
from lipcert.rules.regions.form import Blocks, assemble, factor, rounding
from lipcert.rules.regions.increments import Increments, frobenius


@dataclass(frozen=True)
class Multipliers:
    """The witness. values: one nonnegative vector a nonlinearity; square: L²; cushion: s_i over the
    largest diagonal entry of block i."""

    values: tuple[Tensor, ...]
    square: float
    cushion: float


def prove_multipliers(work: Increments, witness: Multipliers) -> arb | None:
    """L, if the witness proves it; None otherwise."""
    if not _well_formed(work, witness):
        return None
    blocks = assemble(work, witness.values, witness.square)
    errors = rounding(work, witness.values)
    scales = [float(blocks[i, i].diagonal().max()) for i in range(len(work.sizes) + 1)]
    cushions = [witness.cushion * scale for scale in scales]
    for i, cushion in enumerate(cushions):
        blocks[i, i] = blocks[i, i] - cushion * torch.eye(len(blocks[i, i]), dtype=torch.float64)
        errors[i, i] += 2 * ball.gamma(2) * (arb(scales[i]) + arb(cushion))
    triangle = factor(blocks, len(scales))
    if triangle is None:
        return None
    left = _left_over(blocks, triangle, errors)
    enough = all(_share(left, scales, i) <= arb(cushion) for i, cushion in enumerate(cushions))
    return arb(witness.square).sqrt() if enough else None


def _well_formed(work: Increments, witness: Multipliers) -> bool:
    shapes = [tuple(value.shape) for value in witness.values]  # vectors: diagonal multipliers alone are sound
    finite = all(bool((torch.isfinite(v) & ((v == 0) | (v > 1e-100)) & (v < 1e100)).all()) for v in witness.values)
    scalars = 0 < witness.square < 1e200 and 0 < witness.cushion < 0.5
    return finite and scalars and shapes == [(size,) for size in work.sizes[1:]]


def _left_over(blocks: Blocks, triangle: Blocks, errors: dict[tuple[int, int], arb]) -> dict[tuple[int, int], arb]:
    """|E_ij|_F for every block: what a computed product R_i R_jᵀ leaves, plus the roundings of all of it."""
    result = dict(errors)
    places = set(blocks) | {(i, j) for i, k in triangle for j, m in triangle if m == k and j <= i}
    for i, j in places:
        shared = [k for k in range(j + 1) if (i, k) in triangle and (j, k) in triangle]
        products = sum((triangle[i, k] @ triangle[j, k].T for k in shared), torch.zeros((), dtype=torch.float64))
        rest = blocks[i, j] - products if (i, j) in blocks else products
        terms = sum(triangle[i, k].shape[1] for k in shared) + len(shared) + 2
        sizes = [frobenius(triangle[i, k]) * frobenius(triangle[j, k]) for k in shared]
        rounded = ball.gamma(terms) * sum(sizes, frobenius(rest)) + ball.UNDERFLOW
        result[i, j] = result.get((i, j), arb(0)) + frobenius(rest) + rounded
    return result


def _share(left: dict[tuple[int, int], arb], scales: Sequence[float], i: int) -> arb:
    """The part of all errors that block i has to carry: t = √(scale_i/scale_j) splits a pair evenly."""
    total = arb(0)
    for (row, column), size in left.items():
        if row == column == i:
            total += size
        elif i in (row, column):
            other = column if row == i else row
            total += size * (arb(scales[i]) / arb(scales[other])).sqrt()
    return total
