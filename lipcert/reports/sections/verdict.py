"""The verdict: what is proved, and whether what was measured upholds it."""

from collections import Counter
from collections.abc import Sequence

from lipcert.reports.content import Cell, Column, Section, Table, Text
from lipcert.reports.record import Record
from lipcert.reports.sections.checks import TONES, Check, checks


def verdict(records: Sequence[Record]) -> Section:
    """A row a check."""
    found = [(record, check) for record in records for check in checks(record)]
    several = len(records) > 1
    columns = [Column("model")] * several + [Column("check"), Column("verdict"), Column("what was seen")]
    rows = [[Cell(record.name)] * several + _cells(check) for record, check in found]
    caption = "Counted again from the stored tables; what is missing, or no number, passes no check."
    return Section("verdict", "Verdict", [_summary([check for _, check in found]), Table(caption, columns, rows)])


def in_words(found: Sequence[Check]) -> str:
    """How many checks ended how, the worst first where one is violated."""
    counts = Counter(check.verdict for check in found)
    order = ["VIOLATED", *(name for name in TONES if name != "VIOLATED")]
    return ", ".join(f"{counts[name]} {name.lower()}" for name in order if counts[name])  # type: ignore[index]


def violated(records: Sequence[Record]) -> list[str]:
    """Every check that stored numbers contradict, a sentence each."""
    return [
        f"{record.name}: VIOLATED: {check.what}: {check.seen}"
        for record in records for check in checks(record) if check.verdict == "VIOLATED"
    ]  # fmt: skip


def _cells(check: Check) -> list[Cell]:
    return [Cell(check.what), Cell(check.verdict, tone=TONES[check.verdict]), Cell(check.seen)]


def _summary(found: Sequence[Check]) -> Text:
    words = f"Of {len(found)} checks: {in_words(found)}."
    verdicts = {check.verdict for check in found}
    if "VIOLATED" in verdicts:
        bug = "A measurement beats what is proved: a bug in lipcert, or files that were changed by hand."
        return Text(f"VIOLATED. {bug} {words}", "bad")
    if verdicts <= {"PROVED", "UPHELD"}:
        return Text(f"Everything that was measured upholds what is proved. {words}", "good")
    return Text(f"Nothing that is stored contradicts what is proved. {words}", "caution")
