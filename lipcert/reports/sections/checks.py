"""What can be checked in stored tables without running a network: each check counted again from the rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from lipcert.reports.content import Tone
from lipcert.reports.numbers import about, up
from lipcert.reports.record import Examples, Record
from lipcert.reports.stored import Stated, about_run, claims, eps_text, label, stated

Verdict = Literal["PROVED", "UPHELD", "VIOLATED", "FLAGGED", "NOT PROVED", "NOT STORED"]

TONES: dict[Verdict, Tone] = {
    "PROVED": "good",
    "UPHELD": "good",
    "VIOLATED": "bad",
    "FLAGGED": "caution",
    "NOT PROVED": "caution",
    "NOT STORED": "caution",
}

Row = tuple[float, float]


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


_PROVED = "A bound of the whole network is proved"


def _proved(each: Stated) -> Check:
    what = f"{_PROVED}, {label(each.claim)}"
    if each.proved is None or not each.proved.is_finite():
        return Check(what, "NOT PROVED", f"{each.file} says {each.status}")
    return Check(what, "PROVED", f"{up(each.proved)}, by {each.file}")


def _measured(each: Stated, found: Sequence[Stated]) -> Check:
    """Against what every file has measured of the same claim."""
    what = f"No ratio that was measured exceeds the bound, {label(each.claim)}"
    measured = [other.lower for other in found if other.claim == each.claim and other.lower is not None]
    if not measured or each.proved is None:
        return Check(what, "NOT STORED", "`lipcert bound CHECKPOINT --out FOLDER` measures it")
    largest = max(measured)
    seen = f"measured {about(largest)}, proved {up(each.proved)}"
    return Check(what, "UPHELD" if Decimal(largest) <= each.proved else "VIOLATED", seen)


def _attacks(record: Record) -> Iterator[Check]:
    run = record.examples.get("attack")
    if run is None:
        yield Check(_RADII, "NOT STORED", "`lipcert attack CHECKPOINT --data DATA --out FOLDER` adds it")
        return
    yield _radii(run)
    yield _order(run)
    yield _flags(run)


_RADII = "No attack succeeds within a certified radius"
_ROUNDING = "`lipcert attack` lets that stand only where the rounding of the network as it is deployed explains it"


def _radii(run: Examples) -> Check:
    """Row by row."""
    rows = radii(run)
    if rows is None:
        return Check(_RADII, "NOT STORED", f"no radius is certified in these runs: {about_run(run)}")
    inside = sum(not certified <= attacked for certified, attacked in rows)
    right = sum(bool(row["right"]) for row in run.rows)
    seen = f"{inside} of {len(rows)} examples that an attack fools; {right - len(rows)} more are right and never fooled"
    seen += f". {_ROUNDING}" if inside else ""
    return Check(_RADII, "VIOLATED" if inside else "UPHELD", seen)


def radii(run: Examples) -> list[Row] | None:
    """Certified and attacked radius of each example that is right and that an attack fools; None where none is
    certified.
    """
    right = [row for row in run.rows if row["right"]]
    if any(row["certified_radius"] is None for row in right):
        return None
    return [(_number(row["certified_radius"]), _number(row["attacked_radius"]))
            for row in right if row["attacked_radius"] is not None]  # fmt: skip


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _flags(run: Examples) -> Check:
    flags = [flag["sentence"] for flag in run.document["flags"]]
    seen = f"no flag, by {', '.join(run.document['accuracy'][0]['by_attack'])}"
    what = "The attacks show no sign of masked gradients"
    return Check(what, "FLAGGED" if flags else "UPHELD", " ".join(flags) or seen)


def _order(run: Examples) -> Check:
    wrong = [eps_text(row["eps"]) for row in run.document["accuracy"] if not _ordered(row)]
    what = "Certified accuracy is at most attacked accuracy, and that at most clean accuracy, at every eps"
    seen = f"not at eps {', '.join(wrong)}" if wrong else f"at {len(run.document['accuracy'])} budgets"
    return Check(what, "VIOLATED" if wrong else "UPHELD", seen)


def _ordered(row: Mapping[str, Any]) -> bool:
    proved = row["certified"] if row["certified"] is not None else 0.0
    return bool(proved <= row["attacked"] <= row["clean"])


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
