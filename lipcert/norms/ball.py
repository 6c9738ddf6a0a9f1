"""Rigorous scalars: an `arb` is a ball that holds the true number, with an unbounded exponent.

A bound is carried as a ball whose upper end is the bound. Sums, products and roots of
balls stay enclosures, so nothing here rounds inward.
"""

import math
import re

from flint import arb, ctx, fmpq

ctx.prec = 128

UNIT_ROUNDOFF = 2.0**-53
"""u of IEEE binary64, round to nearest."""

UNDERFLOW = arb(2) ** -900
"""More than any sum of underflow errors of binary64 in a proof on matrices scaled to [1, 2)."""

_DECIMAL = re.compile(r"\d(\.\d+)?(e[+-]?\d{1,9})?")
_DIGITS = 15


def gamma(terms: int) -> arb:
    """γ_k = ku/(1-ku): relative error of a sum of k products in any order (Higham 2002, §3.1)."""
    ku = arb(terms) * arb(2) ** -53
    if not ku < arb("0.01"):
        raise ValueError(f"a sum of {terms} terms is too long for binary64 error analysis")
    return ku / (1 - ku)


def upper(ball: arb) -> arb:
    """The upper end of `ball`, as an exact number."""
    return arb(ball.upper())


def up(ball: arb) -> float:
    """The least float found that is >= every number in `ball`; inf above the float range."""
    return _outward(upper(ball), math.inf)


def down(ball: arb) -> float:
    """A float that is <= every number in `ball`; -inf below the float range."""
    return _outward(arb(ball.lower()), -math.inf)


def _outward(exact: arb, direction: float) -> float:
    if not exact.is_finite():
        return direction
    value = float(exact)
    while math.isfinite(value) and not (arb(value) >= exact if direction > 0 else arb(value) <= exact):
        value = math.nextafter(value, direction)
    if math.isinf(value) and value != direction:
        value = math.nextafter(value, direction)
    return value


def log10(ball: arb) -> float:
    """log10 of the upper end, rounded up; -inf for zero. Finite where the float itself would overflow."""
    top = upper(ball)
    return -math.inf if top == 0 else up(top.log() / arb(10).log())


def to_text(ball: arb) -> str:
    """A decimal >= every number in a finite, nonnegative `ball`, such as "1.23456789012346e+264"."""
    top = upper(ball)
    if not top.is_finite() or top < 0:
        raise ValueError(f"{ball} is no finite nonnegative bound")
    if top == 0:
        return "0"
    mantissa, power = (int(part) for part in top.man_exp())
    exponent = math.floor(float(top.log() / arb(10).log()))
    shift = _DIGITS - 1 - exponent
    numerator = mantissa * 10 ** max(shift, 0) * 2 ** max(power, 0)
    digits = str(-(-numerator // (10 ** max(-shift, 0) * 2 ** max(-power, 0))))
    exponent += len(digits) - _DIGITS
    return f"{digits[0]}.{digits[1:]}e{exponent:+d}"


def from_text(text: object) -> arb:
    """Read what `to_text` wrote. Raises ValueError for anything else (signs, NaN, infinity, hex)."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is no bound: a decimal such as '1.25e+3' is needed")
    return arb(text)


def rational(numerator: int, denominator: int) -> arb:
    """An enclosure of the exact fraction numerator/denominator."""
    return arb(fmpq(numerator, denominator))
