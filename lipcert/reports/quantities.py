"""The numbers that two networks are compared by, and that a gate holds one to: each read from what is stored."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any, Literal

from lipcert.reports.record import Document, Examples, Record, Rows
from lipcert.store.examples import certifies
from lipcert.store.run import BOUND

Standing = Literal["proved", "measured"]
Better = Literal["lower", "higher"]

# Bounds of deep networks have hundreds of digits before the point: the range of exponents is the widest there is.
_UP, _DOWN = (Context(prec=28, rounding=way, Emin=MIN_EMIN, Emax=MAX_EMAX) for way in (ROUND_CEILING, ROUND_FLOOR))


@dataclass(frozen=True)
class Reading:
    """value: rounded, where it has to be, to what is worse. source: the file that says so.

    claim: what it holds for, of norm, domain, source, suite, eps and data; two compare only where this is equal.
    """

    value: Decimal
    standing: Standing
    source: str
    claim: str


@dataclass(frozen=True)
class Quantity:
    """standing: the least that it is worth. by_eps: it is one number a budget. read: None where it is not stored."""

    name: str
    title: str
    better: Better
    standing: Standing
    by_eps: bool
    read: Callable[[Record, Fraction | None], Reading | None]


def eps_of(record: Record) -> list[Fraction]:
    """The budgets that something is stored about, ascending."""
    runs = record.examples.values()
    return sorted({Fraction(row["eps"]) for run in runs for row in run.document["accuracy"]})


def bound(record: Record, eps: Fraction | None = None) -> Reading | None:
    """The proved upper bound."""
    found = _proved(record)
    upper = _finite(found["upper"]) if found is not None else None
    if found is None or upper is None:
        return None
    return Reading(upper, "proved", BOUND, claim_of(found["claim"]))


def slack(record: Record, eps: Fraction | None = None) -> Reading | None:
    """Proved upper bound over the largest ratio that was measured: the bound is at most so many times too large."""
    found = _proved(record)
    upper, lower = (None, None) if found is None else (_finite(found["upper"]), _finite(found["lower"]))
    if found is None or upper is None or lower is None or not lower > 0:
        return None
    return Reading(_UP.divide(upper, lower), "measured", BOUND, claim_of(found["claim"]))


def accuracy(record: Record, eps: Fraction | None = None) -> Reading | None:
    """The share of examples that is right without an attack; of the validation data where no examples are stored."""
    for kind, run in record.examples.items():
        right = sum(bool(row["right"]) for row in run.rows)
        return _share(right, run, f"{kind}.json", data_of(run.document))
    if record.training is None:
        return None
    found = record.training.document
    value = _finite(found["results"]["validation_accuracy"])
    claim = f"validation data of {_data(found['data'])}"
    return None if value is None else Reading(value, "measured", "train.json", claim)


def attacked_accuracy(record: Record, eps: Fraction | None) -> Reading | None:
    """The share that is right under every attack of a suite within eps."""
    run = _run(record, ("attack",), "attacked", eps)
    if run is None or eps is None:
        return None
    return _share(_right(run.rows) - _fallen(run.rows, eps), run, "attack.json", _threat(run.document, eps))


def accuracy_drop(record: Record, eps: Fraction | None) -> Reading | None:
    """The share that attacks within eps take away from the clean accuracy."""
    run = _run(record, ("attack",), "attacked", eps)
    if run is None or eps is None:
        return None
    return _share(_fallen(run.rows, eps), run, "attack.json", _threat(run.document, eps), _UP)


def certified_accuracy(record: Record, eps: Fraction | None) -> Reading | None:
    """The share that is right, and proved to stay so within eps."""
    run = _run(record, ("attack", "certify"), "certified", eps)
    if run is None or eps is None:
        return None
    radii = [row["certified_radius"] for row in run.rows if row["right"]]
    if any(radius is None for radius in radii):
        return None
    found = run.document
    place = found["threat"]["domain"] if "threat" in found else ""
    kept = sum(certifies(radius, eps) for radius in radii) if _has_room(place, eps) else 0
    domain = f" on {place}" if place else ""
    claim = f"{found['norm']}{domain}, eps {eps}, from {found['source']}, {data_of(found)}"
    if computed := found.get("float64_margins"):
        return _share(
            kept, run, f"{found['kind']}.json", f"{claim}, {computed} margins in float64", standing="measured"
        )
    return _share(kept, run, f"{found['kind']}.json", claim, standing="proved")


def _has_room(domain: str, eps: Fraction) -> bool:
    """Whether a domain that reaches some way from its points, "vocabulary+1/100", reaches as far as eps."""
    radius = domain.partition("+")[2]
    return not radius or eps <= Fraction(radius)


def largest_activation(record: Record, eps: Fraction | None = None) -> Reading | None:
    """The largest absolute entry of what a module returned, on a batch at the end of training."""
    rows = record.training.tables.get("activations", ()) if record.training is not None else ()
    if record.training is None or not rows:
        return None
    last = max(_number(row["step"]) for row in rows)
    value = _finite(max(_number(row["largest"]) for row in rows if row["step"] == last))
    claim = f"a batch of {_data(record.training.document['data'])}"
    return None if value is None else Reading(value, "measured", "train.json", claim)


QUANTITIES: dict[str, Quantity] = {
    each.name: each
    for each in (
        Quantity("bound", "proved bound", "lower", "proved", False, bound),
        Quantity("slack", "proved over measured", "lower", "measured", False, slack),
        Quantity("accuracy", "accuracy", "higher", "measured", False, accuracy),
        Quantity("attacked-accuracy", "accuracy under attack", "higher", "measured", True, attacked_accuracy),
        Quantity("certified-accuracy", "certified accuracy", "higher", "proved", True, certified_accuracy),
        Quantity("accuracy-drop", "accuracy lost to attacks", "lower", "measured", True, accuracy_drop),
        Quantity("largest-activation", "largest activation", "lower", "measured", False, largest_activation),
    )
}
"""Their names are also in lipcert.workspace.gate, which imports no room."""


def claim_of(claim: Mapping[str, Any]) -> str:
    """What a bound holds for. Of a source inside the network its width is the network's own, and is left out."""
    inside, shape = claim["module"], claim["shape"][1:]
    start = f"{inside} {_by(shape[:-1])}" if inside else f"input {_by(shape)}"
    output = f" to {claim['output']}" if claim["output"] else ""
    return f"{claim['norm']} on {claim['domain']}, from {start.strip()}{output}"


def data_of(run: Document) -> str:
    """The examples that a run was about."""
    return f"the first {run['data']['examples']} of {_data(run['data'])}"


def _threat(run: Document, eps: Fraction) -> str:
    return f"{run['norm']}, suite {run['suite']}{_effort(run)}, eps {eps}, from {run['source']}, {data_of(run)}"


def _effort(run: Document) -> str:
    """The attacks behind the name of a suite, which may have been another once."""
    if "threat" not in run:
        return ""
    tried = run["threat"]
    where = f" at {tried['positions']}" if tried["positions"] else ""
    counts = ", ".join(f"{tried[name]} {name}" for name in ("steps", "restarts", "queries"))
    return f" ({', '.join(tried['attacks'])}{where}; {counts})"


def _data(data: Mapping[str, Any]) -> str:
    return f"{data['name']} (SHA-256 {data['sha256'][:12]})"


def _by(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _proved(record: Record) -> Document | None:
    """The bound that stands beside its certificate; the word of train.json for another is no proof."""
    return record.bound if record.bound is not None and record.bound["status"] == "proved" else None


def _run(
    record: Record, kinds: Sequence[Literal["attack", "certify"]], wanted: str, eps: Fraction | None
) -> Examples | None:
    """The first run that says `wanted` at this budget."""
    for kind in kinds:
        run = record.examples.get(kind)
        for row in run.document["accuracy"] if run is not None else ():
            if Fraction(row["eps"]) == eps and row[wanted] is not None:
                return run
    return None


def _right(rows: Rows) -> int:
    return sum(bool(row["right"]) for row in rows)


def _fallen(rows: Rows, eps: Fraction) -> int:
    """How many that were right an attack within eps makes wrong."""
    radii = (row["attacked_radius"] for row in rows if row["right"])
    return sum(isinstance(radius, float) and radius <= eps for radius in radii)


def _share(
    count: int, run: Examples, file: str, claim: str, rounding: Context = _DOWN, standing: Standing = "measured"
) -> Reading | None:
    """Counted in the rows: what the JSON says of them may have been written by anyone."""
    if not run.rows:
        return None
    return Reading(rounding.divide(Decimal(count), Decimal(len(run.rows))), standing, file, claim)


def _number(value: object) -> float:
    """A cell of a column of numbers; anything else, NaN among it, is beyond all of them."""
    return float(value) if isinstance(value, int | float) and not math.isnan(value) else math.inf


def _finite(value: str | float | None) -> Decimal | None:
    """Exactly; None for what is no finite number."""
    number = Decimal(value) if value is not None else Decimal("NaN")
    return number if number.is_finite() else None
