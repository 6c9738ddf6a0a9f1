"""`[[gate]]`: a rule that a model of the workspace is held to."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import AfterValidator, PlainValidator, PositiveInt, model_validator

from lipcert.workspace.exact import Exact, parse_exact, positive, to_text
from lipcert.workspace.table import Found, Table, nearest

if TYPE_CHECKING:
    from lipcert.workspace.schema import Settings, Suite

_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*", re.ASCII)


class Facts(NamedTuple):
    """What a rule on a quantity has to say. higher: the more the better. share: it lies in [0, 1].

    by_eps: it needs an eps. by_suite: attacks belong to it. by_data: it is about examples.
    """

    higher: bool
    share: bool
    by_eps: bool
    by_suite: bool
    by_data: bool


FACTS = {
    "bound": Facts(False, False, False, False, False),
    "slack": Facts(False, False, False, False, False),
    "accuracy": Facts(True, True, False, False, True),
    "attacked-accuracy": Facts(True, True, True, True, True),
    "certified-accuracy": Facts(True, True, True, True, True),
    "accuracy-drop": Facts(False, True, True, True, True),
    "largest-activation": Facts(False, False, False, False, True),
}
"""Their functions are in lipcert.reports.quantities."""


class Tolerance(NamedTuple):
    """How much worse than the baseline: a share of it, or in the units of the quantity."""

    amount: Fraction
    relative: bool

    def __str__(self) -> str:
        return f"{to_text(100 * self.amount)}%" if self.relative else to_text(self.amount)


def _tolerance(value: object) -> Tolerance:
    percent = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if percent:
        return Tolerance(Fraction(percent[1]) / 100, relative=True)
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("a share such as '5%', or a number in the units of the quantity, is needed")
    amount = parse_exact(str(value))
    if not amount >= 0:
        raise ValueError(f"{value} is negative")
    return Tolerance(amount, relative=False)


def _quantity(value: str) -> str:
    if value not in FACTS:
        raise ValueError(f"is no known quantity; {nearest(value, FACTS)}")
    return value


class Gate(Table):
    """model: a name of [models]. quantity: a name of `FACTS`.

    limit: at most, or at least, as less or more of the quantity is better. tolerance: how much worse than the stored
    baseline it may be. eps, suite: of attacks and certificates. examples: only the first so many.
    """

    model: str
    quantity: Annotated[str, AfterValidator(_quantity)]
    limit: Exact | None = None
    tolerance: Annotated[Tolerance, PlainValidator(_tolerance)] | None = None
    eps: Annotated[Exact, AfterValidator(positive)] | None = None
    suite: str | None = None
    examples: PositiveInt | None = None

    @property
    def facts(self) -> Facts:
        return FACTS[self.quantity]

    @property
    def key(self) -> tuple[str, ...]:
        """What is measured, apart from what is asked of it."""
        parts = (self.model, self.quantity, self.eps, self.suite, self.examples)
        return tuple("" if part is None else str(part) for part in parts)

    @property
    def name(self) -> str:
        """For people."""
        _, _, eps, suite, examples = self.key
        where = (f" at eps {eps}" if eps else "") + (f" under {suite}" if suite else "")
        return f"{self.quantity}{where}" + (f" on {examples} examples" if examples else "")

    @model_validator(mode="after")
    def _says_what_is_needed(self) -> "Gate":
        facts, told = self.facts, {"eps": self.eps, "suite": self.suite, "examples": self.examples}
        used = {"eps": facts.by_eps, "suite": facts.by_suite, "examples": facts.by_data}
        for key, value in told.items():
            if value is not None and not used[key]:
                raise ValueError(f"{self.quantity} has no {key}: leave it out")
        if facts.by_eps and self.eps is None:
            raise ValueError(f"{self.quantity} needs an eps, such as eps = '8/255'")
        if self.limit is None and self.tolerance is None:
            raise ValueError("nothing is asked: give a limit, or a tolerance towards the baseline")
        return self

    @model_validator(mode="after")
    def _can_fail(self) -> "Gate":
        """A rule that every number passes is a mistake, most often one of units."""
        facts, limit, tolerance = self.facts, self.limit, self.tolerance
        worst = Fraction(0 if facts.higher else 1)
        if facts.share and limit is not None and not (0 <= limit <= 1 and limit != worst):
            raise ValueError(
                f"limit = {limit}: {self.quantity} is a share between 0 and 1, and this allows all or none"
            )
        all_of_it = tolerance is not None and tolerance.amount >= 1
        if all_of_it and tolerance is not None and (facts.higher if tolerance.relative else facts.share):
            raise ValueError(f"tolerance = {tolerance} allows every {self.quantity}")
        return self


def gate_problems(
    settings: "Settings", known: Sequence[str], suites: Mapping[str, "Suite"]
) -> Iterator[tuple[str, str]]:
    """What rules name and is not there. known: names of files in attacks/; suites: those that are valid."""
    seen = dict[tuple[str, ...], int]()
    for place, rule in enumerate(settings.gate):
        yield from ((f"gate.{place}.{key}", message) for key, message in _unknown(rule, settings, known, suites))
        if rule.key in seen:
            yield f"gate.{place}", f"is about the same as gate.{seen[rule.key]}: make one rule of both"
        seen.setdefault(rule.key, place)


def _unknown(rule: Gate, settings: "Settings", known: Sequence[str], suites: Mapping[str, "Suite"]) -> Iterator[Found]:
    if rule.model not in settings.models:
        yield Found("model", f"there is no [models.{rule.model}]; {nearest(rule.model, settings.models)}")
    if rule.suite is not None and rule.suite not in known:
        yield Found("suite", f"there is no attacks/{rule.suite}.toml; {nearest(rule.suite, known)}")
    suite = suites.get(rule.suite or "")
    if suite is not None and rule.eps not in suite.eps:
        tried = ", ".join(map(str, suite.eps))
        yield Found("eps", f"{rule.eps} is not tried by attacks/{rule.suite}.toml, which has {tried}")
