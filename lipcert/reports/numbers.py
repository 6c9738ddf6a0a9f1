"""Numbers as a report prints them: proved bounds rounded up, proved shares down, whatever their range."""

import math
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

_WIDE = Context(prec=28, Emax=MAX_EMAX, Emin=MIN_EMIN)
_UP, _THREE = (Context(prec=digits, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN) for digits in (6, 3))
_FLOAT = 300
"""Powers of ten beyond this are written as such."""


def log10(value: Decimal) -> float:
    """Of a number above 0; -inf of 0."""
    return float(value.log10(_WIDE)) if value > 0 else -math.inf


def up(value: Decimal) -> str:
    """To six digits, rounded up, so that what is printed still holds."""
    if value == 0:
        return "0"
    power = log10(value)
    if not abs(power) < _FLOAT:
        return f"10^{power + 5e-4:.3f}"
    return f"{float(_UP.create_decimal(value)):.6g}"


def about(value: float) -> str:
    """A measured number, to six digits."""
    return f"{value:.6g}"


def ratio(large: Decimal, small: Decimal) -> str:
    """How many times one is the other, rounded up; nothing where that is no number."""
    if not small > 0:
        return ""
    times = _WIDE.divide(large, small)
    power = log10(times)
    if not abs(power) < 4:
        return f"10^{power + 5e-2:.1f}"
    return f"{_THREE.create_decimal(times):f}"


def percent(share: float) -> str:
    """A measured share."""
    return _percent(share, ROUND_HALF_EVEN)


def proved_percent(share: float) -> str:
    """A proved share, rounded down."""
    return _percent(share, ROUND_FLOOR)


def _percent(share: float, rounding: str) -> str:
    exact = Decimal(repr(share)) * 100  # 0.57 is 57 %, not the 56.99… that the float is
    return f"{exact.quantize(Decimal('0.1'), rounding=rounding)}%"


def by(shape: list[int]) -> str:
    """Sizes without the batch."""
    return "×".join(map(str, shape[1:]))


def short(sha256: str) -> str:
    """The start of a hash, as people compare it."""
    return f"{sha256[:16]}…"
