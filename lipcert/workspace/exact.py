"""Numbers and domains as people write them, read exactly: "8/255" is eight 255ths, "0.1" is a tenth."""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple

from pydantic import PlainValidator

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_EXACT = re.compile(rf"\s*({_NUMBER})\s*(?:/\s*({_NUMBER})\s*)?", re.ASCII)
_LONGEST = 200

DOMAIN_GRAMMAR = '"everywhere", "box:LO,HI", such as "box:0,1" or "box:-8/255,1.5", or "vocabulary"'


class DomainSpec(NamedTuple):
    """The inputs a claim is about: all, or those at most `radius` away from the box [lo, hi] or from the vocabulary."""

    kind: Literal["everywhere", "box", "vocabulary"]
    lo: Fraction | None = None
    hi: Fraction | None = None
    radius: Fraction = Fraction(0)


def parse_exact(text: str) -> Fraction:
    """The exact value of a decimal or of a quotient of two. Raises ValueError for anything else."""
    match = _EXACT.fullmatch(text) if len(text) <= _LONGEST else None
    if not match:
        raise ValueError(f"{text[:40]!r} is no exact number: write a decimal or a fraction such as 8/255")
    numerator, denominator = Fraction(match[1]), Fraction(match[2] or 1)
    if denominator == 0:
        raise ValueError(f"{text!r} divides by zero")
    return numerator / denominator


def parse_domain(text: str, radius: Fraction = Fraction(0)) -> DomainSpec:
    """Read `everywhere`, `box:LO,HI` or `vocabulary`, with the radius round it. Raises ValueError for anything else."""
    if radius < 0:
        raise ValueError(f"the radius {radius} is negative")
    if text == "everywhere":
        if radius != 0:
            raise ValueError("everywhere has no room for a radius: name a box, such as box:0,1")
        return DomainSpec("everywhere")
    if text == "vocabulary":
        return DomainSpec("vocabulary", radius=radius)
    kind, colon, ends = text.partition(":")
    if kind != "box" or not colon or ends.count(",") != 1:
        raise ValueError(f"{text[:40]!r} is no domain: write {DOMAIN_GRAMMAR}")
    lo, hi = (parse_exact(end) for end in ends.split(","))
    if not lo <= hi:
        raise ValueError(f"the box {text!r} is empty: {lo} is above {hi}")
    return DomainSpec("box", lo, hi, radius)


def to_text(value: Fraction) -> str:
    """As people write it, and exactly: 0.25, and 1/3. `parse_exact` reads it."""
    short = f"{float(value):.12g}" if abs(value) < 10**300 else str(value)
    return short if Fraction(short) == value else str(value)


def exact(value: object) -> Fraction:
    """Of a TOML value. Raises ValueError for what is no number."""
    # TOML is read with decimals kept (see load.py), so 0.1 is a tenth and not the float next to it.
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("a number such as 0.5, or a fraction in quotes such as '8/255', is needed")
    return parse_exact(str(value))


def positive(value: Fraction) -> Fraction:
    """Raises ValueError where it is not."""
    if not value > 0:
        raise ValueError(f"{value} is not above 0")
    return value


Exact = Annotated[Fraction, PlainValidator(exact)]
