"""Where a claim holds: the set that contains the clean and the perturbed point."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lipcert.errors import UsageError
from lipcert.norms import ball
from lipcert.rules.interval import everything
from lipcert.rules.types import Reach

Exact = Fraction | int | float | str
"""A number taken exactly: "8/255" and "0.1" as the fractions they say, a float as its binary value."""


def _exact(value: Exact) -> Fraction:
    try:
        return Fraction(value)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise UsageError(f"{value!r} is no finite number.", hint='Write 0.5, "8/255" or 1e-3.') from error


@dataclass(frozen=True)
class Everywhere:
    """All of the input space."""

    def reach(self, shape: tuple[int, ...]) -> Reach:
        return everything(shape)

    def __str__(self) -> str:
        return "everywhere"


@dataclass(frozen=True, init=False)
class Box:
    """low <= x <= high in every entry, and all points within `radius` of that (in l2 or linf).

    Units: those of the network's input, before any normalisation inside it.
    """

    low: Fraction
    high: Fraction
    radius: Fraction

    def __init__(self, low: Exact, high: Exact, *, radius: Exact = 0) -> None:
        for name, value in (("low", low), ("high", high), ("radius", radius)):
            object.__setattr__(self, name, _exact(value))
        if not self.low <= self.high:
            raise UsageError(f"the box [{low}, {high}] is empty.", hint="Give the smaller end first.")
        if not self.radius >= 0:
            raise UsageError(f"the radius {radius} is negative.")

    def reach(self, shape: tuple[int, ...]) -> Reach:
        """|x - b| <= r in l2 or linf moves every entry by at most r."""
        ends = (self.low - self.radius, self.high + self.radius)
        lo, hi = (ball.rational(end.numerator, end.denominator) for end in ends)
        return Reach(np.broadcast_to(ball.down(lo), shape), np.broadcast_to(ball.up(hi), shape))

    def __str__(self) -> str:
        text = f"box:{self.low},{self.high}"
        return f"{text}+{self.radius}" if self.radius else text


Domain = Everywhere | Box
