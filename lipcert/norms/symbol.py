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
a trigonometric polynomial of degree t/2, t = (max b - min b)/gcd, its real part one of degree t in ω/2,
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
from jaxtyping import Complex, Float, Inexact, Int

from lipcert.norms import dense
from lipcert.norms.ball import UNDERFLOW, gamma, upper
from lipcert.norms.threads import threads_for

LARGEST_GRID = 2**24
LARGEST_PERIOD = 2**20
_CHUNK = 2**20
"""Entries handled at once."""


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
        """(rows, columns) of the tall real matrices [[R, -I], [I, R]] that stand for K = R + iI."""
        a, b = self.kernel.shape[1], self.kernel.shape[2] * len(np.unique(self.phase))
        width = 1 if max(self.grid) == 1 else 2
        return width * max(a, b), width * min(a, b)

    def grams(self) -> Iterator[tuple[int, Inexact[np.ndarray, "k n n"]]]:
        """(rows of the tall K, Gram matrices of them), chunk by chunk; real where the grid is one point."""
        chunk = max(1, _CHUNK // (math.prod(self.shape) * len(self.kernel)))
        for start in range(0, self.points, chunk):
            matrices = dense.tall(self._matrices(np.arange(start, min(start + chunk, self.points))))
            yield matrices.shape[1], dense.gram(matrices)

    def _matrices(self, index: Int[np.ndarray, " f"]) -> Inexact[np.ndarray, "k rows columns"]:
        """The symbols at these points of the grid, those of the groups one after the other."""
        table = _turns(self.grid, self.turns, index)
        a, b, taps = self.kernel.shape[1:]
        flat = self.kernel.transpose(3, 0, 1, 2).reshape(taps, -1)
        with threads_for(table.size * flat.shape[1]):
            each = [table[:, self.phase == r] @ flat[self.phase == r] for r in np.unique(self.phase)]
        columns = [part.reshape(-1, a, b) for part in each]
        return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=-1)

    def norm(self, eigenvalue: arb) -> arb:
        """A bound of the operator norm from a bound of the largest eigenvalue of the Gram matrices.

        The symbols are themselves rounded: tables are within u, so both parts of an entry over T taps are
        within (u + γ_2T)Σ|k_t| <= γ_(2T+1)√T‖k_t‖₂ (Cauchy–Schwarz; 2T products, the kernel taken as
        complex), and ‖ΔK‖₂ <= ‖ΔK‖_F <= √2·γ_(2T+1)√T‖k‖_F.
        """
        groups, a, b, taps = self.kernel.shape
        frobenius = dense.frobenius_upper(self.kernel.reshape(groups, a, b * taps))
        rounding = arb(2 * taps).sqrt() * gamma(2 * taps + 1) * frobenius + UNDERFLOW
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
) -> Inexact[np.ndarray, "f taps"]:
    """e^(2πi Σ q·turn/N over the axes), q the point of the half grid; both parts within u of the truth."""
    if max(grid) == 1:
        return np.ones((len(index), turns.shape[1]))
    period = math.lcm(*grid)
    half = (grid[0] // 2 + 1, *grid[1:])
    angle = np.zeros((len(index), turns.shape[1]), dtype=np.int64)
    for q, turn, n in zip(np.unravel_index(index, half), turns, grid, strict=True):
        angle += q[:, None] * turn * (period // n)
    return _circle(period)[angle % period]


@lru_cache(maxsize=8)
def _circle(period: int) -> Complex[np.ndarray, " n"]:
    """e^(2πir/period), the nearest float64 of 128-bit enclosures: both parts within 2^-54 + 2^-120."""
    pairs = [arb.sin_cos_pi_fmpq(fmpq(2 * r, period)) for r in range(period)]
    return np.array([complex(float(cosine), float(sine)) for sine, cosine in pairs])
