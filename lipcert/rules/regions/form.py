"""The quadratic form of a region with diagonal multipliers, and its block factor."""

from collections.abc import Mapping, Sequence

import torch
from flint import arb
from torch import Tensor

from lipcert.norms import ball
from lipcert.rules.regions.increments import Increments, Sum, frobenius

Blocks = dict[tuple[int, int], Tensor]
"""The lower triangle of a symmetric matrix by blocks (row >= column); a missing block is zero."""


def assemble(work: Increments, multipliers: Sequence[Tensor], square: float) -> Blocks:
    """Blocks of  |v_0|² - Σ q_i(v) - 2 w·y + square |w|²  in the variables v, and w for the exit y.

    q_i = v_iᵀ T_i (u_i - v_i) is >= 0 whenever v_i = σ u_i with 0 <= σ <= 1 entry by entry, and T_i >= 0.
    """
    blocks: Blocks = {(0, 0): torch.eye(work.sizes[0], dtype=torch.float64)}
    for i, weight in enumerate(multipliers, start=1):
        blocks |= row(i, weight, work.bends[i - 1])
    last = len(work.sizes)
    rows = next(iter(work.exit.values())).matrix.shape[0]
    blocks[last, last] = square * torch.eye(rows, dtype=torch.float64)
    return blocks | {(last, j): -part.matrix for j, part in work.exit.items()}


def row(i: int, weight: Tensor, bend: Sum) -> Blocks:
    """The blocks of variable i: T_i on the diagonal, -T_i A_ij / 2 before it."""
    side = {(i, j): (-weight / 2)[:, None] * part.matrix for j, part in bend.items()}
    return {**side, (i, i): torch.diag(weight)}


def rounding(work: Increments, multipliers: Sequence[Tensor]) -> dict[tuple[int, int], arb]:
    """Frobenius bounds on (form of the true matrices) - (blocks as computed).

    -T/2 (A + E): one rounding an entry (halving is exact), and |E| scaled by at most max T/2. Diagonal
    blocks and the exit's rows are copied exactly; the exit's own error enters as it is.
    """
    errors = {(i, i): arb(0) for i in range(len(work.sizes) + 1)}
    for i, weight in enumerate(multipliers, start=1):
        largest = arb(float(weight.max())) / 2
        for j, part in work.bends[i - 1].items():
            errors[i, j] = largest * (part.error + ball.gamma(1) * frobenius(part.columns)) + ball.UNDERFLOW
    return errors | {(len(work.sizes), j): part.error for j, part in work.exit.items()}


def factor(
    blocks: Mapping[tuple[int, int], Tensor], count: int, *, first: int = 0, square: bool = True
) -> Blocks | None:
    """A lower block factor R with blocks ≈ R Rᵀ, row by row; None where a diagonal block is not positive.

    first: rows before it are taken as finished. square: whether the last row's diagonal block is factored too.
    """
    done: Blocks = {place: block for place, block in blocks.items() if place[0] < first}
    for i in range(first, count):
        for j in range(i if not square and i == count - 1 else i + 1):
            rest = _rest(blocks, done, i, j)
            if rest is None:
                continue
            if j < i:
                done[i, j] = _solve(done[j, j], rest, multiple_of_identity=j == 0)
                continue
            triangle, info = torch.linalg.cholesky_ex(rest)
            if int(info) != 0 or not bool(torch.isfinite(triangle).all()):
                return None
            done[i, i] = triangle
    return done


def _solve(triangle: Tensor, rest: Tensor, *, multiple_of_identity: bool) -> Tensor:
    """rest · triangle⁻ᵀ; the entry's block is a multiple of the identity, so its factor is one too."""
    solved: Tensor
    if multiple_of_identity:
        solved = rest / triangle[0, 0]
    else:
        solved = torch.linalg.solve_triangular(triangle, rest.T, upper=False).T
    return solved


def _rest(blocks: Mapping[tuple[int, int], Tensor], done: Blocks, i: int, j: int) -> Tensor | None:
    """Block (i, j) less the products of the finished columns before j."""
    rest = blocks.get((i, j))
    for k in range(j):
        if (i, k) in done and (j, k) in done:
            part = done[i, k] @ done[j, k].T
            rest = -part if rest is None else rest - part
    return rest
