"""`lipcert.report` and `lipcert.compare`: read what is stored, check it, and write it for people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipcert.errors import UsageError, ViolationError
from lipcert.reports.members import Member, gather, look
from lipcert.reports.quantities import QUANTITIES, Reading, eps_of
from lipcert.reports.record import Record, read_record
from lipcert.reports.sections import describe
from lipcert.reports.sections.checks import checks
from lipcert.reports.sections.comparison import Change, changes, regressions
from lipcert.reports.sections.verdict import in_words, violated
from lipcert.reports.stored import weights_digest
from lipcert.reports.writing import write_report

Say = Callable[[str], None]


def _silent(line: str) -> None:
    """Nobody listens."""


def report(
    folder: Path | str, *, out: Path | str | None = None, title: str = "", force: bool = False, say: Say = _silent
) -> Path:
    """Write report.html, report.md and figures/ from what a run's folder holds; the path of report.html.

    out: where to write; the folder itself by default. say: gets a sentence for what was seen on the way.
    Raises InputError where the results are of different weights or the checkpoint that they name has changed since,
    OutputError where a file is there already, and, once all is written, ViolationError where a measurement beats a
    proof.
    """
    record = read_record(Path(folder))
    looked = {record.name: look(record)}
    place = Path(folder if out is None else out)
    _, path = write_report(
        lambda: describe([record], title=title or record.name, looked=looked), place, force=force, say=say
    )
    say(f"verdict: {in_words(checks(record))}")
    _require_upheld([record], path)
    return path


@dataclass(frozen=True)
class Comparison:
    """records: what is stored of each, in order. baseline: the name of the one that `changes` are against: the first
    where none was named. regressions: a sentence for each change to the worse against a named baseline.
    path: of the HTML file, None where none was written.
    """

    records: tuple[Record, ...]
    baseline: str
    changes: tuple[Change, ...]
    regressions: tuple[str, ...]
    path: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Numbers are decimals, as strings; null where nothing is stored."""
        return {
            "models": [_readings(record) for record in self.records],
            "baseline": self.baseline,
            "changes": [_change(each) for each in self.changes],
            "regressions": list(self.regressions),
        }


def compare(
    members: Sequence[Member],
    *,
    baseline: str = "",
    out: Path | str | None = None,
    title: str = "",
    force: bool = False,
    seconds: float = 10.0,
    say: Say = _silent,
) -> Comparison:
    """Networks side by side, and what changed against one of them.

    members: run folders, records, or checkpoints, which are bounded afresh by their default claim, `seconds` for each
    search. baseline: the name of a member, against which worse is a regression. out: a folder for the report; none is
    written by default. Raises as `report` does, and UsageError where the members or the baseline make no sense.
    """
    records = gather(members, seconds=seconds)
    against = _baseline(records, baseline)
    looked = {record.name: look(record) for record in records}
    path = None
    if out is not None:
        named = title or " and ".join(record.name for record in records)
        _, path = write_report(
            lambda: describe(records, title=named, looked=looked, baseline=baseline), Path(out), force=force, say=say
        )
    _require_upheld(records, path)
    found = changes(records, against)
    return Comparison(tuple(records), against.name, tuple(found), tuple(regressions(found)) if baseline else (), path)


def _baseline(records: Sequence[Record], name: str) -> Record:
    names = [record.name for record in records]
    if name and name not in names:
        raise UsageError(f"no network here is called {name}.", hint=f"Name one of {', '.join(names)}.")
    return records[names.index(name) if name else 0]


def _require_upheld(records: Sequence[Record], path: Path | None) -> None:
    broken = violated(records)
    if broken:
        written = f" {path} shows it." if path is not None else ""
        hint = f"This is a bug in lipcert, or results were changed by hand: make them again.{written}"
        raise ViolationError("\n".join(broken), hint=hint)


def _readings(record: Record) -> dict[str, Any]:
    found = [
        {"quantity": quantity.name, "eps": None if eps is None else str(eps), **_reading(reading)}
        for quantity in QUANTITIES.values() for eps in (eps_of(record) if quantity.by_eps else [None])
        if (reading := quantity.read(record, eps)) is not None
    ]  # fmt: skip
    return {"name": record.name, "weights": weights_digest(record), "readings": found}


def _reading(reading: Reading) -> dict[str, str]:
    return {
        "value": str(reading.value), "standing": reading.standing, "source": reading.source, "claim": reading.claim
    }  # fmt: skip


def _change(change: Change) -> dict[str, Any]:
    before, after = (None if each is None else str(each.value) for each in (change.before, change.after))
    return {
        "model": change.model, "quantity": change.quantity.name, "eps": None if change.eps is None else str(change.eps),
        "before": before, "after": after, "outcome": change.outcome, "by": change.by,
    }  # fmt: skip
