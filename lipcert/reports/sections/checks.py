"""What can be checked in stored tables without running a network: each check counted again from the rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from lipcert.reports.content import Tone
from lipcert.reports.numbers import about, up
from lipcert.reports.record import Examples, Record
from lipcert.reports.stored import PROVED, STATED, Stated, about_run, claims, eps_text, label, stated
from lipcert.store.examples import beats, certifies, explained, radii

Verdict = Literal["PROVED", "UPHELD", "VIOLATED", "FLAGGED", "NOT PROVED", "NOT STORED"]

TONES: dict[Verdict, Tone] = {
    "PROVED": "good",
    "UPHELD": "good",
    "VIOLATED": "bad",
    "FLAGGED": "caution",
    "NOT PROVED": "caution",
    "NOT STORED": "caution",
}


@dataclass(frozen=True)
class Check:
    """what: a sentence that should be true. seen: the numbers behind the verdict, or what would give them."""

    what: str
    verdict: Verdict
    seen: str


def checks(record: Record) -> list[Check]:
    """In the order of reading. What is no number passes none."""
    return [*_bounds(record), *_attacks(record), *_caps(record)]


def _bounds(record: Record) -> Iterator[Check]:
    if not claims(record) and record.training is not None:
        yield Check(_PROVED, "NOT PROVED", "training ended with no finite bound; `lipcert bound` says why")
        return
    if not claims(record):
        yield Check(_PROVED, "NOT STORED", "`lipcert bound CHECKPOINT --out FOLDER` adds it")
        return
    for each in claims(record):
        yield _proved(each)
        yield _measured(each, stated(record))


_ROOM = 1e-6
"""Of an example: for shares, which are floats."""

_PROVED = "A bound of the whole network is proved"


def _proved(each: Stated) -> Check:
    what = f"{_PROVED}, {label(each.claim)}"
    if each.status == STATED:
        return Check(what, "NOT PROVED", f"{each.file} says so, and no certificate shows it: `{each.again}`")
    if each.proved is None or not each.proved.is_finite():
        return Check(what, "NOT PROVED", f"{each.file} says {each.status}")
    return Check(what, "PROVED", f"{up(each.proved)}, by {each.file}")


def _measured(each: Stated, found: Sequence[Stated]) -> Check:
    """Against what every file has measured of the same claim."""
    what = f"No ratio that was measured exceeds the bound, {label(each.claim)}"
    measured = [other.lower for other in found if other.claim == each.claim and other.lower is not None]
    limit = each.upper if each.status in (PROVED, STATED) else None
    if not measured or limit is None:
        return Check(what, "NOT STORED", "`lipcert bound CHECKPOINT --out FOLDER` measures it")
    largest = max(measured)
    seen = f"measured {about(largest)}, {each.status} {up(limit)}"
    return Check(what, "UPHELD" if Decimal(largest) <= limit else "VIOLATED", seen)


def _attacks(record: Record) -> Iterator[Check]:
    run = record.examples.get("attack")
    if run is None:
        yield Check(_RADII, "NOT STORED", "`lipcert attack CHECKPOINT --data DATA --out FOLDER` adds it")
        return
    yield _radii(run)
    yield _order(run)
    yield _flags(run)


_RADII = "No attack succeeds within a certified radius"
_ROUNDING = "by rounding alone: in float64 they keep their class there"
_UNKNOWN = "An earlier lipcert wrote the table, without what rounding explains: `lipcert attack` makes it again"


def _radii(run: Examples) -> Check:
    """Row by row."""
    rows = [found for row in run.rows if (found := radii(row)) is not None]
    if any(row["certified_radius"] is None for row in run.rows if row["right"]):
        return Check(_RADII, "NOT STORED", f"no radius is certified in these runs: {about_run(run)}")
    beaten, rounded = sum(beats(*row) for row in rows), len(explained(run.rows))
    right = sum(bool(row["right"]) for row in run.rows)
    seen = f"{beaten} of {len(rows)} examples that an attack fools; {right - len(rows)} more are right and never fooled"
    seen += f"; {rounded} {_ROUNDING}" if rounded else ""
    computed = run.document.get("float64_margins")
    seen += (
        f"; the margins of {computed} were computed in float64 and not enclosed: their radii are not proved"
        if computed
        else ""
    )
    seen += f". {_UNKNOWN}" if beaten and "margin64" not in run.rows[0] else ""
    return Check(_RADII, "VIOLATED" if beaten else "UPHELD", seen)


def _flags(run: Examples) -> Check:
    flags = [flag["sentence"] for flag in run.document["flags"]]
    seen = f"no flag, by {', '.join(run.document['accuracy'][0]['by_attack'])}"
    what = "The attacks show no sign of masked gradients"
    return Check(what, "FLAGGED" if flags else "UPHELD", " ".join(flags) or seen)


def _order(run: Examples) -> Check:
    wrong = [eps_text(row["eps"]) for row in run.document["accuracy"] if not _ordered(row, run)]
    what = "Certified accuracy is at most attacked accuracy, and that at most clean accuracy, at every eps"
    seen = f"not at eps {', '.join(wrong)}" if wrong else f"at {len(run.document['accuracy'])} budgets"
    return Check(what, "VIOLATED" if wrong else "UPHELD", seen)


def _ordered(row: Mapping[str, Any], run: Examples) -> bool:
    """Examples that rounding alone fools within their certified radius are certified and not right under attack."""
    eps, proved = Fraction(row["eps"]), row["certified"] if row["certified"] is not None else 0.0
    rounded = sum(attacked <= eps and certifies(certified, eps) for certified, attacked in explained(run.rows))
    above = (proved - row["attacked"]) * len(run.rows)
    return bool(above <= rounded + _ROOM and row["attacked"] <= row["clean"])


def _caps(record: Record) -> Iterator[Check]:
    """Where training put weights under a cap."""
    if record.training is None or not record.training.document["guarantee"]["norms"]:
        return
    guarantee, what = record.training.document["guarantee"], "Every weight under a cap is at most its cap"
    norms = guarantee["norms"]
    over = [name for name, each in norms.items() if not each["norm"] <= each["w_max"]]
    seen = f"{len(norms) - len(over)} of {len(norms)} weights" + (f"; not {', '.join(over)}" if over else "")
    if over:
        yield Check(what, "VIOLATED" if guarantee["holds"] else "NOT PROVED", seen)
    else:
        always = "" if guarantee["holds"] else f"; of this state alone, no theorem keeps it so: {guarantee['why']}"
        yield Check(what, "PROVED", seen + always)
