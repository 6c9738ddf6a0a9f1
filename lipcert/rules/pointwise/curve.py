"""Rigorous enclosures of a scalar function over many intervals at once.

A `Curve` is monotone between its turns, so over [lo, hi] its extremes are among its values at lo, at hi
and at the turns inside. numpy and scipy promise no error bound; measured, they are within a few dozen
units in the last place. `RELATIVE` allows thousands of them, and the soundness tests compare every curve
with ball arithmetic, at its turns, at the ends of the float range and at random points.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

RELATIVE = 1e-12
"""Allowed relative error of a computed value. The largest contribution is exp(z), |z| <= 745, whose
argument carries an error of a few u|z|, so a relative error below 1e-12 of the result."""

TINY = 1e-300
"""Allowed absolute error: what underflow loses."""

CANCELLATION = 1e-14
"""Allowed absolute error where terms of size about 1 cancel."""

LARGEST = float(np.finfo(np.float64).max) * (1 - RELATIVE)
"""Below every number whose computed value overflows."""


@dataclass(frozen=True)
class Turn:
    """A point in [left, right] where a curve turns; the curve is within [low, high] on [left, right]."""

    left: float
    right: float
    low: float
    high: float

    def inside(self, lo: Array, hi: Array) -> Mask:
        """True wherever [lo, hi] may hold the turn."""
        return (lo <= self.right) & (hi >= self.left)


@dataclass(frozen=True)
class PeriodicTurn:
    """Turns at (offset + k)·2π for every integer k."""

    offset: float
    value: float

    @property
    def low(self) -> float:
        return self.value

    @property
    def high(self) -> float:
        return self.value

    def inside(self, lo: Array, hi: Array) -> Mask:
        """True wherever [lo, hi] may hold a turn."""
        first, last = lo / (2 * np.pi) - self.offset, hi / (2 * np.pi) - self.offset
        # The quotients are wrong by at most a few u relatively; the margin exceeds that many times.
        margin = 1e-9 + 1e-14 * np.maximum(np.abs(first), np.abs(last))
        return np.asarray(np.floor(last + margin) >= np.ceil(first - margin))


def exact_turn(at: float, value: float) -> Turn:
    """A turn whose place and value are floats."""
    return Turn(at, at, value, value)


def near_turn(at: float, value: float) -> Turn:
    """A turn known to about 16 digits: within 1e-9 of `at`, where the curve is within 1e-15 of `value`.

    Near a turn a smooth curve is a parabola, so 1e-9 aside it has moved by about 1e-18.
    """
    return Turn(at - 1e-9, at + 1e-9, value - 1e-15, value + 1e-15)


@dataclass(frozen=True)
class Curve:
    """A function on [left, right], monotone between its turns.

    value: computes it elementwise, at ±inf its limit, with an error of at most
        relative·|value| + absolute; NaN stands for "not known".
    least, most: what the function provably never leaves, anywhere on [left, right].
    """

    value: Callable[[Array], Array]
    turns: tuple[Turn | PeriodicTurn, ...] = ()
    left: float | Array = -np.inf
    right: float | Array = np.inf
    least: float | Array = -np.inf
    most: float | Array = np.inf
    relative: float = RELATIVE
    absolute: float = TINY

    def enclose(self, lo: Array, hi: Array) -> tuple[Array, Array]:
        """An interval that holds the curve's values on [lo, hi] ∩ [left, right]; empty (inf, -inf) if none.

        An interval that meets the piece in one point only is left to the neighbouring piece.
        """
        a, b = np.clip(lo, self.left, self.right), np.clip(hi, self.left, self.right)
        at_a, at_b = self.value(a), self.value(b)
        low = np.minimum(self._down(at_a), self._down(at_b))
        high = np.maximum(self._up(at_a), self._up(at_b))
        for turn in self.turns:
            inside = turn.inside(a, b)
            low = np.where(inside, np.minimum(low, turn.low), low)
            high = np.where(inside, np.maximum(high, turn.high), high)
        low, high = np.clip(low, self.least, self.most), np.clip(high, self.least, self.most)
        point = ~(lo < hi)
        overlaps = (lo < self.right) & (hi > self.left) & (self.left < self.right)
        met = np.where(point, (lo <= self.right) & (hi >= self.left), overlaps)
        return np.where(met, low, np.inf), np.where(met, high, -np.inf)

    def _error(self, value: Array) -> Array:
        return np.where(np.isfinite(value), self.relative * np.abs(value) + self.absolute, 0.0)

    def _down(self, value: Array) -> Array:
        low = np.minimum(value - self._error(value), LARGEST)  # +inf here is an overflow, not a bound
        return np.where(np.isnan(low), -np.inf, low)

    def _up(self, value: Array) -> Array:
        high = np.maximum(value + self._error(value), -LARGEST)
        return np.where(np.isnan(high), np.inf, high)


def enclose(curves: Sequence[Curve], lo: Array, hi: Array) -> tuple[Array, Array]:
    """The smallest interval found that holds every curve's values on its part of [lo, hi], elementwise.

    (-inf, inf) wherever lo <= hi fails, NaN included.
    """
    low, high = np.full(lo.shape, np.inf), np.full(lo.shape, -np.inf)
    with np.errstate(all="ignore"):
        for curve in curves:
            piece_low, piece_high = curve.enclose(lo, hi)
            low, high = np.minimum(low, piece_low), np.maximum(high, piece_high)
    known = (lo <= hi) & (low <= high)
    return np.where(known, low, -np.inf), np.where(known, high, np.inf)
