"""Several networks side by side: the numbers, what one pays for another, and what changed against a baseline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from lipcert.reports.content import Cell, Column, Item, Picture, Section, Table, Text, Tone
from lipcert.reports.figures.tradeoff import Point, tradeoff
from lipcert.reports.numbers import log10, percent, proved_percent, ratio, up
from lipcert.reports.quantities import QUANTITIES, Quantity, Reading, eps_of
from lipcert.reports.record import Record
from lipcert.reports.stored import eps_text

_FACTORS = frozenset({"bound", "slack", "largest-activation"})
"""Quantities that change by a factor; the others are shares, and change by percentage points."""

Outcome = Literal["same", "better", "worse", "not compared"]


@dataclass(frozen=True)
class Change:
    """One quantity of a network against that of the baseline. by: how much, in words; why nothing is compared, where
    `outcome` says so.
    """

    model: str
    quantity: Quantity
    eps: Fraction | None
    before: Reading | None
    after: Reading | None
    outcome: Outcome
    by: str

    @property
    def title(self) -> str:
        return title(self.quantity, self.eps)


def title(quantity: Quantity, eps: Fraction | None) -> str:
    return quantity.title if eps is None else f"{quantity.title} at eps {eps_text(str(eps))}"


def summary(records: Sequence[Record]) -> Section:
    """A row a network, and how good they are against what is proved of them."""
    table = overview(records, [eps] if (eps := _common_eps(records)) is not None else [])
    columns = [Column("model"), *(Column(name, number=True) for name, _ in table)]
    rows = [[Cell(record.name), *(cells[place] for _, cells in table)] for place, record in enumerate(records)]
    caption = "Proved numbers are rounded to what is worse. Nothing stands where nothing is stored."
    cautions = [Text(f"Not of one claim, so no comparison: {each}.", "caution") for each in mixed(records)]
    return Section("summary", "Side by side", [Table(caption, columns, rows), *cautions, *_tradeoff(records)])


def overview(records: Sequence[Record], budgets: Sequence[Fraction] | None = None) -> list[tuple[str, list[Cell]]]:
    """The title of every quantity that one of them has, with a cell a network. budgets: all by default."""
    if budgets is None:
        budgets = sorted({eps for record in records for eps in eps_of(record)})
    table = [("validation loss", [_loss(record) for record in records])]
    for quantity in QUANTITIES.values():
        for eps in budgets if quantity.by_eps else [None]:
            table.append((title(quantity, eps), [shown(quantity, quantity.read(record, eps)) for record in records]))
    return [(name, cells) for name, cells in table if any(cell.text for cell in cells)]


def mixed(records: Sequence[Record]) -> list[str]:
    """Quantities that are stored for different claims, and which; those of the same claims in one line."""
    eps, found = _common_eps(records), dict[str, list[str]]()
    trained = [record for record in records if record.training is not None]
    claims = {"validation loss": [(record.name, _validation(record)) for record in trained]}
    for each in QUANTITIES.values():
        read = ((record.name, each.read(record, eps if each.by_eps else None)) for record in records)
        claims[each.title] = [(name, reading.claim) for name, reading in read if reading is not None]
    for name, stated in claims.items():
        if len({claim for _, claim in stated}) > 1:
            found.setdefault("; ".join(f"{model} {claim}" for model, claim in stated), []).append(name)
    return [f"{', '.join(names)}: {words}" for words, names in found.items()]


def _validation(record: Record) -> str:
    assert record.training is not None  # as `mixed` asks
    data = record.training.document["data"]
    return f"validation data of {data['name']} (SHA-256 {data['sha256'][:12]})"


def _common_eps(records: Sequence[Record]) -> Fraction | None:
    """The smallest budget above 0 that most of them have."""
    every = [eps for record in records for eps in eps_of(record) if eps > 0]
    return min(set(every), key=lambda eps: (-every.count(eps), eps), default=None)


def _loss(record: Record) -> Cell:
    if record.training is None:
        return Cell("")
    value = record.training.document["results"]["validation_loss"]
    return Cell(f"{value:.4g}", value)


def shown(quantity: Quantity, reading: Reading | None) -> Cell:
    if reading is None:
        return Cell("")
    value = reading.value
    if quantity.name in _FACTORS:
        text = ratio(value, Decimal(1)) if quantity.name == "slack" else up(value)
        return Cell(text, log10(value) if value > 0 else -1e9)
    return Cell((proved_percent if reading.standing == "proved" else percent)(float(value)), float(value))


def _tradeoff(records: Sequence[Record]) -> Iterator[Item]:
    """Of those whose bounds are of one claim, the most frequent."""
    bounds = {record.name: QUANTITIES["bound"].read(record, None) for record in records}
    claims = [reading.claim for reading in bounds.values() if reading is not None]
    claim = max(claims, key=claims.count, default="")
    there = [record for record in records if (found := bounds[record.name]) is not None and found.claim == claim]
    drawn, kind = _points(there, {name: reading.value for name, reading in bounds.items() if reading is not None})
    if len(drawn) < 2:
        yield Text("No figure sets quality against bound: fewer than two networks have both, for one claim.", "caution")
        return
    words = "; ".join(f"{p.label} {p.quality:.4g} at {_power(p.log10_bound)}" for p in drawn)
    caption = f"{kind.capitalize()} against the proved bound, {claim}, on a logarithmic axis."
    figure = tradeoff(drawn, quality=kind, share=kind == "accuracy")
    yield Picture("tradeoff", figure, caption, f"A point a network: {words}.")
    left = ", ".join(record.name for record in records if record.name not in {point.label for point in drawn})
    if left:
        yield Text(f"Not drawn, for a bound of another claim, or for lack of one or of a {kind}: {left}.", "caution")


def _points(records: Sequence[Record], bounds: dict[str, Decimal]) -> tuple[list[Point], str]:
    """By validation loss where all were trained on the same data, else by accuracy."""
    powers = {name: log10(value) for name, value in bounds.items() if value > 0}
    records = [record for record in records if record.name in powers]
    trained = [record.training.document for record in records if record.training is not None]
    if len(trained) == len(records) and len({each["data"]["sha256"] for each in trained}) == 1:
        losses = [each["results"]["validation_loss"] for each in trained]
        return [Point(r.name, powers[r.name], loss) for r, loss in zip(records, losses, strict=True)], "validation loss"
    read = [(record, QUANTITIES["accuracy"].read(record, None)) for record in records]
    return [Point(r.name, powers[r.name], float(found.value)) for r, found in read if found is not None], "accuracy"


def _power(power: float) -> str:
    return f"{10**power:.4g}" if abs(power) < 6 else f"10^{power:.1f}"


def changes(records: Sequence[Record], baseline: Record) -> list[Change]:
    """Every quantity of every other network, against the baseline's."""
    return [each for record in records if record is not baseline for each in _against(record, baseline)]


def _against(record: Record, baseline: Record) -> Iterator[Change]:
    every = sorted({*eps_of(record), *eps_of(baseline)})
    for quantity in QUANTITIES.values():
        for eps in every if quantity.by_eps else [None]:
            before, after = quantity.read(baseline, eps), quantity.read(record, eps)
            if before is not None or after is not None:
                yield Change(record.name, quantity, eps, before, after, *_outcome(quantity, before, after))


def _outcome(quantity: Quantity, before: Reading | None, after: Reading | None) -> tuple[Outcome, str]:
    if before is None or after is None:
        return "not compared", "stored of one only"
    if before.claim != after.claim:
        return "not compared", "of different claims"
    if before.value == after.value:
        return "same", ""
    better = (after.value < before.value) == (quantity.better == "lower")
    return "better" if better else "worse", _how_much(quantity, before.value, after.value)


def _how_much(quantity: Quantity, before: Decimal, after: Decimal) -> str:
    small, large = sorted((before, after))
    if quantity.name not in _FACTORS:
        return f"{100 * float(large - small):.1f} points"
    return f"a factor of {ratio(large, small)}" if small > 0 else f"from {up(before)} to {up(after)}"


def changed(records: Sequence[Record], baseline: str) -> Section:
    """baseline: the name of the network that the others are held against, where worse is a regression; "": the first,
    and nothing is one.
    """
    against = next((record for record in records if record.name == baseline), records[0])
    found = changes(records, against)
    several = len(records) > 2
    columns = [Column("model")] * several + [Column("quantity"), Column(against.name, number=True)]
    columns += [Column("now" if several else _other(records, against), number=True), Column("change")]
    rows = [[Cell(each.model)] * several + _cells(each, marked=bool(baseline)) for each in found]
    items: list[Item] = [*_verdict(found, against.name)] if baseline else []
    caption = (
        f"Against {against.name}. Two numbers compare where their norm, domain, source, data and budget are equal."
    )
    return Section("changes", "What changed, and by how much", [*items, Table(caption, columns, rows)])


def _other(records: Sequence[Record], against: Record) -> str:
    return next(record.name for record in records if record is not against)


def _cells(change: Change, *, marked: bool) -> list[Cell]:
    values = [shown(change.quantity, reading) for reading in (change.before, change.after)]
    return [Cell(change.title), *values, _mark(change, marked)]


def _mark(change: Change, marked: bool) -> Cell:
    worse: Tone = "bad" if marked else "plain"
    tones: dict[Outcome, Tone] = {"same": "plain", "better": "good", "worse": worse, "not compared": "caution"}
    return Cell(in_words(change, marked=marked), tone=tones[change.outcome])


def in_words(change: Change, *, marked: bool) -> str:
    if change.outcome == "same":
        return "unchanged"
    if change.outcome == "not compared":
        return f"not compared: {change.by}"
    return f"{'REGRESSION: ' if marked and change.outcome == 'worse' else ''}{change.outcome} by {change.by}"


def regressions(found: Sequence[Change]) -> list[str]:
    """A sentence each."""
    return [f"{each.model}: {each.title} is worse by {each.by}" for each in found if each.outcome == "worse"]


def _verdict(found: Sequence[Change], baseline: str) -> Iterator[Text]:
    worse, compared = regressions(found), sum(each.outcome != "not compared" for each in found)
    if worse:
        yield Text(f"{len(worse)} of {compared} numbers that compare are worse than those of {baseline}.", "bad")
    elif compared:
        yield Text(f"No regression against {baseline} in {compared} numbers that compare.", "good")
    else:
        yield Text(f"Nothing compares with {baseline}: no number is stored of both for the same claim.", "caution")
