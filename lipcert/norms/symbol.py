"""The symbol of a convolution on a grid of frequencies, whose norms bound the norm of the operator.

Polyphase form. Along one axis, window o reads entry p = s·o + q_j at tap j, q_j = d·j - padding. With
p = s·i + r, 0 <= r < s, and q_j = s·b_j + r_j this is block i = o + b_j of phase r = r_j: a convolution of
stride 1 over blocks whose channels are (channel, r), with the same taps. Its symbol at ω is the matrix
K(ω)[a, (b, r)] = Σ_j k[a, b, j] e^{iω·b_j} over the taps of phase r (over several axes: products).

Two ways to bound the operator norm by the norms of K on N points 2πq/N of each axis. They mix: each axis
is treated on its own.
(i) Circulant. Only rows o in [first, last] read anything; they read blocks in [lowest, highest], blocks
outside [0, n) being zero. If N >= n - lowest, N > highest and N >= last - first + 1, then a block read is
congruent mod N to a c in [0, n) only if it is c, and the rows are distinct mod N: the operator is a submatrix
of the circulant of size N, whose norm is the largest ‖K‖ on the grid. (N = n does not do.)
(ii) Trigonometric. The operator is a compression of convolution on ℤ, of norm sup ‖K(ω)‖. Dividing the b_j by
the greatest common divisor of their differences only relabels ω. Up to a unimodular factor uᴴK(ω)v is then
a trigonometric polynomial of degree t/2, t = (max b - min b)/gcd, and a real part of it one of degree t in ω/2,
known at 2N points of the circle. By M. Riesz's lemma such a T with |T(θ₀)| = ‖T‖_∞ has
|T(θ)| >= ‖T‖_∞ cos(t(θ - θ₀)) for t|θ - θ₀| <= π/2 (Ehlich & Zeller 1964), so for N > t
sup ‖K‖ <= max over the grid of ‖K‖ / cos(πt/(2N)).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from flint import arb, fmpq
from jaxtyping import Float, Int

from lipcert.norms import dense
from lipcert.norms.ball import UNDERFLOW, gamma, upper

LARGEST_GRID = 2**24
LARGEST_PERIOD = 2**20
_CHUNK = 2**22
"""Entries of the real matrices handled at once."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of the polyphase form.

    phase, block: r_j and b_j of each tap. exact: the least N of way (i).
    """

    phase: Int[np.ndarray, " taps"]
    block: Int[np.ndarray, " taps"]
    stride: int
    exact: int

    @property
    def step(self) -> int:
        """The greatest common divisor of the differences of the b_j; 1 where there are none."""
        return int(np.gcd.reduce(self.block - self.block.min())) or 1

    @property
    def degree(self) -> int:
        """t of way (ii): the frequencies of the symbol span this many steps."""
        return int(np.ptp(self.block)) // self.step

    def allows(self, points: int) -> bool:
        return points >= self.exact or points > self.degree

    def exponents(self, points: int) -> Int[np.ndarray, " taps"]:
        """What multiplies the frequency of each tap on a grid of so many points."""
        return self.block if points >= self.exact else (self.block - self.block.min()) // self.step

    def cosine(self, points: int) -> arb:
        """What the largest norm on the grid is divided by."""
        if points >= self.exact:
            return arb(1)
        return arb.cos_pi_fmpq(fmpq(self.degree, 2 * points))


def axis_taps(size: int, windows: int, taps: int, stride: int, before: int, dilation: int) -> Axis:
    """The polyphase form of one axis with `before` zeros in front, and the least exact grid."""
    block, phase = np.divmod(np.arange(taps) * dilation - before, stride)
    blocks = -(-size // stride)
    first, last = max(0, -int(block.max())), min(windows, blocks - int(block.min())) - 1
    lowest, highest = first + int(block.min()), last + int(block.max())
    return Axis(phase, block, stride, max(blocks, blocks - lowest, highest + 1, last - first + 1))


@dataclass(frozen=True, eq=False)
class Symbols:
    """The symbols of a kernel scaled by 2^-exponent, on the points of a grid.

    kernel: groups × a × b × taps. phase: of each tap, over all axes. turns: axes × taps, the exponents.
    """

    kernel: Float[np.ndarray, "groups a b taps"]
    exponent: int
    phase: Int[np.ndarray, " taps"]
    turns: Int[np.ndarray, "axes taps"]
    grid: tuple[int, ...]
    cosine: arb

    @property
    def points(self) -> int:
        """How many frequencies stand for all: K(-ω) is the conjugate of K(ω), with the same norm."""
        return (self.grid[0] // 2 + 1) * math.prod(self.grid[1:])

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the tall real matrices."""
        a, b = self.kernel.shape[1], self.kernel.shape[2] * len(np.unique(self.phase))
        factor = 1 if max(self.grid) == 1 else 2
        return factor * max(a, b), factor * min(a, b)

    def grams(self) -> Iterator[tuple[int, Float[np.ndarray, "k n n"]]]:
        """(rows, Gram matrices) of the real matrices [[R, -I], [I, R]], K = R + iI, chunk by chunk.

        Such a matrix has the singular values of K, each twice (where the grid is one point, R alone stands
        for K). Its Gram matrix is [[P, Qᵀ], [Q, P]], P = RᵀR + IᵀI, Q = RᵀI - IᵀR: sums of as many products.
        Only the lower triangle is filled in.
        """
        rows, columns = self.shape
        chunk = max(1, _CHUNK // (rows * columns * len(self.kernel)))
        for start in range(0, self.points, chunk):
            real, imaginary = self._matrices(np.arange(start, min(start + chunk, self.points)))
            if max(self.grid) == 1:
                yield rows, dense.gram(real)
                continue
            n = columns // 2
            left = np.concatenate([real, imaginary], axis=1)
            right = np.concatenate([-imaginary, real], axis=1)
            gram = np.zeros((len(left), columns, columns))
            gram[:, :n, :n] = gram[:, n:, n:] = dense.gram(left)
            gram[:, n:, :n] = right.swapaxes(1, 2) @ left
            yield rows, gram

    def _matrices(self, index: Int[np.ndarray, " f"]) -> tuple[np.ndarray, np.ndarray]:
        """R and I of the symbols at these points of the grid: (f · groups) × rows × columns, made tall.

        The transpose of K and its conjugate have the norm of K, so neither's sign of I matters.
        """
        cosines, sines = _turns(self.grid, self.turns, index)
        groups, a, b, taps = self.kernel.shape
        flat = self.kernel.transpose(3, 0, 1, 2).reshape(taps, -1)
        phases = np.unique(self.phase)
        both = []
        for table in (cosines, sines):
            columns = [table[:, self.phase == r] @ flat[self.phase == r] for r in phases]
            matrices = np.stack([part.reshape(-1, groups, a, b) for part in columns], axis=-1)
            both.append(dense.tall(matrices.reshape(-1, a, b * len(phases))))
        return both[0], both[1]

    def norm(self, eigenvalue: arb) -> arb:
        """A bound of the operator norm from a bound of the largest eigenvalue of the Gram matrices.

        The entries of R and I are themselves rounded: tables are within u, so an entry over T taps is within
        (u + γ_T)Σ|k_t| <= γ_(T+1)√T‖k_t‖₂ (Cauchy–Schwarz), and ‖ΔK‖₂ <= ‖ΔK‖_F <= √2·γ_(T+1)√T‖k‖_F.
        """
        groups, a, b, taps = self.kernel.shape
        frobenius = dense.frobenius_upper(self.kernel.reshape(groups, a, b * taps))
        rounding = arb(2 * taps).sqrt() * gamma(taps + 1) * frobenius + UNDERFLOW
        return upper((eigenvalue.sqrt() + rounding) / self.cosine * arb(2) ** self.exponent)


def symbols(
    kernel: Float[np.ndarray, "groups a b taps"], axes: Sequence[Axis], grid: Sequence[object]
) -> Symbols | None:
    """The symbol on a grid; None for a grid that proves nothing, for one too large, for NaN and infinity."""
    points = tuple(n for n in grid if type(n) is int)
    if len(points) != len(grid) or len(points) != len(axes) or min(points, default=0) < 1:
        return None
    if math.prod(points) > LARGEST_GRID or math.lcm(*points) > LARGEST_PERIOD:
        return None
    scaled = dense.scale(kernel)
    if scaled is None or not all(axis.allows(n) for axis, n in zip(axes, points, strict=True)):
        return None
    turns = [axis.exponents(n) for axis, n in zip(axes, points, strict=True)]
    cosine = math.prod((axis.cosine(n) for axis, n in zip(axes, points, strict=True)), start=arb(1))
    return Symbols(*scaled, combine_phases(axes), _outer(turns), points, cosine)


def combine_phases(axes: Sequence[Axis]) -> Int[np.ndarray, " taps"]:
    """One number for the phases of each tap over all axes, taps in row-major order."""
    phases = np.zeros(math.prod(len(axis.phase) for axis in axes), dtype=np.int64)
    for axis, phase in zip(axes, _outer([axis.phase for axis in axes]), strict=True):
        phases = phases * axis.stride + phase
    return phases


def _outer(values: Sequence[Int[np.ndarray, " _"]]) -> Int[np.ndarray, "axes taps"]:
    """The value of each axis at each tap, taps in row-major order."""
    return np.stack([each.ravel() for each in np.meshgrid(*values, indexing="ij")])


def _turns(
    grid: tuple[int, ...], turns: Int[np.ndarray, "axes taps"], index: Int[np.ndarray, " f"]
) -> tuple[Float[np.ndarray, "f taps"], Float[np.ndarray, "f taps"]]:
    """cos and sin of Σ 2π·q·turn/N over the axes, q the point of the half grid; within u of the truth."""
    period = math.lcm(*grid)
    half = (grid[0] // 2 + 1, *grid[1:])
    angle = np.zeros((len(index), turns.shape[1]), dtype=np.int64)
    for q, turn, n in zip(np.unravel_index(index, half), turns, grid, strict=True):
        angle += q[:, None] * turn * (period // n)
    cosines, sines = _table(period)
    return cosines[angle % period], sines[angle % period]


@lru_cache(maxsize=8)
def _table(period: int) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """cos and sin of 2πr/period, the nearest float64 of a 128-bit enclosure: within 2^-54 + 2^-120."""
    turns = [fmpq(2 * r, period) for r in range(period)]
    pairs = [arb.sin_cos_pi_fmpq(turn) for turn in turns]
    return np.array([float(c) for _, c in pairs]), np.array([float(s) for s, _ in pairs])
