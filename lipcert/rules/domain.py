"""Where a claim holds: the set that contains the clean and the perturbed point.

Its common questions, all asked for a shape (1, …, features), the norm of the claim, in which a radius is measured, and
the table of the embedding where the source is what it looked up:

    reach(shape, norm, table)  every entry of every point lies in it; of a shape that broadcasts to `shape`
    size(shape, norm, table)   the l2 norm of every token (row along the last axis) of every point is at most this

A move of norm r moves an entry by at most r in l2, linf and token-l2, and by at most r√features in token-rms. It moves
a token by at most as much in the norms that are l2 inside a token, and by at most r√features in linf.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from flint import arb
from torch import Tensor

from lipcert.errors import LipcertError, UnsupportedError, UsageError
from lipcert.norms import ball
from lipcert.norms.norm import Norm
from lipcert.rules.interval import everything, outward
from lipcert.rules.types import Reach

Exact = Fraction | int | float | str
"""A number taken exactly: "8/255" and "0.1" as the fractions they say, a float as its binary value."""

_TEXT = re.compile(
    r"(?P<everywhere>everywhere)"
    r"|box:(?P<low>-?[0-9/]+),(?P<high>-?[0-9/]+)(\+(?P<radius>[0-9/]+))?"
    r"|(?P<vocabulary>vocabulary)(\+(?P<around>[0-9/]+))?"
)
_ROWS = 4096
"""How many rows of a table are squared at a time."""


@dataclass(frozen=True)
class Everywhere:
    """All of the input space."""

    def reach(self, shape: tuple[int, ...], norm: Norm, table: Tensor | None) -> Reach:
        return everything(shape)

    def size(self, shape: tuple[int, ...], norm: Norm, table: Tensor | None) -> arb:
        return arb("inf")

    def __str__(self) -> str:
        return "everywhere"


@dataclass(frozen=True, init=False)
class Box:
    """low <= x <= high in every entry, and all points within `radius` of that in the norm of the claim.

    Units: those of the source; where that is the network's input, before any normalisation inside it.
    """

    low: Fraction
    high: Fraction
    radius: Fraction

    def __init__(self, low: Exact, high: Exact, *, radius: Exact = 0) -> None:
        for name, value in (("low", low), ("high", high)):
            object.__setattr__(self, name, _exact(value))
        object.__setattr__(self, "radius", _radius(radius))
        if not self.low <= self.high:
            raise UsageError(f"the box [{low}, {high}] is empty.", hint="Give the smaller end first.")

    def reach(self, shape: tuple[int, ...], norm: Norm, table: Tensor | None) -> Reach:
        move = _entry_move(self.radius, norm, shape[-1])
        lo, hi = (_arb(end) for end in (self.low - move, self.high + move))
        return Reach(np.broadcast_to(ball.down(lo), shape), np.broadcast_to(ball.up(hi), shape))

    def size(self, shape: tuple[int, ...], norm: Norm, table: Tensor | None) -> arb:
        """√features times the largest entry of the box, and the move."""
        largest = max(abs(self.low), abs(self.high))
        return ball.upper(_arb(largest) * arb(shape[-1]).sqrt() + _arb(_token_move(self.radius, norm, shape[-1])))

    def __str__(self) -> str:
        text = f"box:{self.low},{self.high}"
        return f"{text}+{self.radius}" if self.radius else text


@dataclass(frozen=True, init=False)
class Vocabulary:
    """Every token lies in the convex hull of the rows of the embedding's table, and all points within `radius` of
    that in the norm of the claim.

    So two sequences of real tokens lie in it, with all that is between them.
    """

    radius: Fraction

    def __init__(self, radius: Exact = 0) -> None:
        object.__setattr__(self, "radius", _radius(radius))

    def reach(self, shape: tuple[int, ...], norm: Norm, table: Tensor | None) -> Reach:
        """Feature by feature between the least and the largest of the rows: an entry of a convex combination is one."""
        rows = required(self, table)
        lo, hi = (end.detach().double().numpy() for end in (rows.amin(0), rows.amax(0)))
        lo, hi = (end.reshape((1,) * (len(shape) - 1) + (shape[-1],)) for end in (lo, hi))
        if not self.radius:
            return Reach(lo, hi)
        return outward(lo, hi, ball.up(_arb(_entry_move(self.radius, norm, shape[-1]))))

    def size(self, shape: tuple[int, ...], norm: Norm, table: Tensor | None) -> arb:
        """A convex combination is no longer than the longest row."""
        longest = longest_row(required(self, table))
        return ball.upper(longest + _arb(_token_move(self.radius, norm, shape[-1])))

    def __str__(self) -> str:
        return f"vocabulary+{self.radius}" if self.radius else "vocabulary"


Domain = Everywhere | Box | Vocabulary


def from_text(text: str) -> Domain | None:
    """Read what `str(domain)` wrote, and nothing else: no exponents that would fill the memory."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    try:
        domain = _domain(found)
    except (ValueError, ZeroDivisionError, LipcertError):
        return None
    return domain if str(domain) == text else None


def _domain(found: re.Match[str]) -> Domain:
    if found["everywhere"]:
        return Everywhere()
    if found["vocabulary"]:
        return Vocabulary(Fraction(found["around"] or 0))
    return Box(Fraction(found["low"]), Fraction(found["high"]), radius=Fraction(found["radius"] or 0))


def required(domain: Vocabulary, table: Tensor | None) -> Tensor:
    """The table, or UnsupportedError where the source is not what an embedding looked up."""
    if table is None:
        raise UnsupportedError(
            f"the domain {domain} needs an embedding as the source, whose table of weights holds the vocabulary.",
            hint="Bound from the embedding's own output (--source embedding, or its path), or name another domain.",
        )
    return table


def longest_row(table: Tensor) -> arb:
    """An upper bound of the l2 norms of the rows of (rows, features)."""
    features = table.shape[1]
    largest = float(np.max([np.max(squares) for squares in _sums_of_squares(table)]))
    # Sums of products in any order err by at most γ of themselves (Higham 2002, §3.1); a product that underflows
    # loses less than 2^-1074. NaN and infinity give infinity.
    if not math.isfinite(largest):
        return arb("inf")
    return ball.upper(((arb(largest) + features * arb(2) ** -1074) / (1 - ball.gamma(features))).sqrt())


def _sums_of_squares(table: Tensor) -> Iterator[np.ndarray]:
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(table), _ROWS):
            rows = table[start : start + _ROWS].detach().to(torch.float64).numpy()
            yield np.einsum("ij,ij->i", rows, rows)


def _entry_move(radius: Fraction, norm: Norm, features: int) -> Fraction:
    return radius * _root(features) if norm.rms else radius


def _token_move(radius: Fraction, norm: Norm, features: int) -> Fraction:
    return radius * _root(features) if norm.rms or norm.inner == "inf" else radius


def _root(number: int) -> Fraction:
    """An upper bound of the root; the root itself of a square number."""
    scaled = math.isqrt(number << 120)
    return Fraction(scaled if scaled * scaled == number << 120 else scaled + 1, 1 << 60)


def _arb(value: Fraction) -> arb:
    return ball.rational(value.numerator, value.denominator)


def _exact(value: Exact) -> Fraction:
    try:
        return Fraction(value)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise UsageError(f"{value!r} is no finite number.", hint='Write 0.5, "8/255" or 1e-3.') from error


def _radius(value: Exact) -> Fraction:
    radius = _exact(value)
    if not radius >= 0:
        raise UsageError(f"the radius {value} is negative.")
    return radius
