"""What a gate found: a row a rule, and the exit code that they amount to."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lipcert.errors import ExitCode
from lipcert.gates.baseline import Entry
from lipcert.reports.quantities import QUANTITIES, Reading
from lipcert.store.schema import SCHEMA_VERSION
from lipcert.workspace.exact import to_text
from lipcert.workspace.gate import Gate

_DIGITS, _FLOAT = 6, 300


class Verdict(StrEnum):
    """broken: there is no number that counts. violated: a measurement beats what is proved."""

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    VIOLATED = "violated"


# What is worst of all that was found.
_EXITS = (
    (Verdict.VIOLATED, ExitCode.VIOLATED),
    (Verdict.BROKEN, ExitCode.INPUT),
    (Verdict.FAILED, ExitCode.GATE),
)


@dataclass(frozen=True)
class Row:
    """reading, baseline: None where there is none that counts.

    message, hint: why it has not passed, and what to do next. notes: what makes one doubt the number. line: of its
    table in lipcert.toml.
    """

    rule: Gate
    verdict: Verdict
    reading: Reading | None = None
    baseline: Entry | None = None
    message: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()
    line: int = 1

    @property
    def value(self) -> str:
        """To six digits, rounded to what is worse."""
        if self.reading is None:
            return ""
        text = shown(self.reading.value, higher=self.rule.facts.higher)
        return f"{text} {self.reading.standing}"

    @property
    def limit(self) -> str:
        """What is asked, in words."""
        rule, worst = self.rule, "at least" if self.rule.facts.higher else "at most"
        parts = [f"{worst} {to_text(rule.limit)}"] if rule.limit is not None else []
        if rule.tolerance is not None:
            parts.append(f"{rule.tolerance} {'below' if rule.facts.higher else 'above'} the baseline")
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        rule, reading = self.rule, self.reading
        return {
            "model": rule.model, "quantity": rule.quantity, "eps": None if rule.eps is None else str(rule.eps),
            "suite": rule.suite, "examples": rule.examples,
            "limit": None if rule.limit is None else str(rule.limit),
            "tolerance": None if rule.tolerance is None else str(rule.tolerance),
            "better": QUANTITIES[rule.quantity].better,
            "value": None if reading is None else f"{reading.value:e}",
            "standing": None if reading is None else reading.standing,
            "source": None if reading is None else reading.source,
            "claim": None if reading is None else reading.claim,
            "baseline": None if self.baseline is None else f"{self.baseline.value:e}",
            "verdict": str(self.verdict), "message": self.message, "hint": self.hint, "notes": list(self.notes),
            "line": self.line,
        }  # fmt: skip


@dataclass(frozen=True)
class GateResult:
    """rows: in the order of the rules. settings: the file that they stand in. updated: the baseline that was written,
    None where none was asked for, or a rule is broken or violated. seconds: that it took.
    """

    rows: Sequence[Row]
    settings: Path
    seconds: float = 0.0
    updated: Path | None = None

    @property
    def exit_code(self) -> ExitCode:
        found = {row.verdict for row in self.rows}
        return next((code for verdict, code in _EXITS if verdict in found), ExitCode.OK)

    @property
    def passed(self) -> bool:
        return self.exit_code == ExitCode.OK

    def count(self, verdict: Verdict) -> int:
        return sum(row.verdict == verdict for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """As the schema of the kind `gate` states."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "gate",
            "passed": self.passed,
            "exit_code": int(self.exit_code),
            "settings": self.settings.as_posix(),
            "updated": None if self.updated is None else self.updated.as_posix(),
            "rules": [row.to_json() for row in self.rows],
            "versions": {"lipcert": version("lipcert")},
            "seconds": self.seconds,
        }


def shown(value: Decimal, *, higher: bool) -> str:
    """To six digits, rounded to what is worse: a number on the wrong side of its limit never looks as if it met it."""
    way = ROUND_FLOOR if higher else ROUND_CEILING
    short = Context(prec=_DIGITS, rounding=way, Emin=MIN_EMIN, Emax=MAX_EMAX).create_decimal(value)
    return f"{float(short):.{_DIGITS}g}" if abs(short.adjusted()) < _FLOAT else f"{short:e}"
