"""Whether a number meets its rule. Written so that what cannot be compared does not."""

from collections.abc import Iterator
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

from lipcert.errors import InputError
from lipcert.gates.baseline import BASELINE_FILE, Entry
from lipcert.gates.result import shown
from lipcert.reports.quantities import Reading
from lipcert.workspace.exact import to_text
from lipcert.workspace.gate import Gate

_PRECISION = 1200
"""Digits: more than any float has, so that a number that did not change meets a tolerance of 0."""

_UPDATE = "Write it, once the number is as it should be: lipcert gate --update-baseline"


def misses(rule: Gate, reading: Reading, baseline: Entry | None) -> list[str]:
    """What the number is worse than, in words; nothing where it meets all that is asked.

    Raises InputError where a baseline is asked for, and none that counts is there.
    """
    found = []
    for allowed, words in _asked(rule, reading, baseline):
        good = reading.value >= allowed if rule.facts.higher else reading.value <= allowed
        if not good:
            value = shown(reading.value, higher=rule.facts.higher)
            found.append(f"{rule.quantity} of {rule.model} is {value}; {words}")
    return found


def _asked(rule: Gate, reading: Reading, baseline: Entry | None) -> Iterator[tuple[Decimal, str]]:
    higher, worst = rule.facts.higher, "at least" if rule.facts.higher else "at most"
    if rule.limit is not None:
        yield _strict(rule.limit, higher), f"{worst} {to_text(rule.limit)} is asked."
    if rule.tolerance is not None:
        known = _required(rule, reading, baseline)
        allowed, was = _allowed(rule, known.value), shown(known.value, higher=higher)
        yield allowed, f"the baseline is {was}, and {rule.tolerance} worse is allowed."


def _required(rule: Gate, reading: Reading, baseline: Entry | None) -> Entry:
    if baseline is None:
        raise InputError(f"{BASELINE_FILE} has no {rule.quantity} of {rule.model}.", hint=_UPDATE)
    if baseline.claim != reading.claim or baseline.standing != reading.standing:
        raise InputError(
            f"the baseline is {baseline.standing} of: {baseline.claim}. What is read now is {reading.standing} of: "
            f"{reading.claim}.",
            hint=_UPDATE,
        )
    return baseline


def _allowed(rule: Gate, baseline: Decimal) -> Decimal:
    """The worst number that the tolerance leaves."""
    assert rule.tolerance is not None
    amount, way = rule.tolerance.amount, -1 if rule.facts.higher else 1
    context = _context(rule.facts.higher)
    if rule.tolerance.relative:
        return context.multiply(baseline, _strict(1 + way * amount, rule.facts.higher))
    return context.add(baseline, _strict(way * amount, rule.facts.higher))


def _strict(number: Fraction, higher: bool) -> Decimal:
    """A fraction as a decimal that allows no more than it does."""
    return _context(higher).divide(Decimal(number.numerator), Decimal(number.denominator))


def _context(higher: bool) -> Context:
    way = ROUND_CEILING if higher else ROUND_FLOOR
    return Context(prec=_PRECISION, rounding=way, Emin=MIN_EMIN, Emax=MAX_EMAX)
