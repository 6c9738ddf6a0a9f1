"""Certified against attacked radius, example by example."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import median

from lipcert.reports.content import Cell, Column, Item, Picture, Section, Table, Text
from lipcert.reports.figures import radii as figure
from lipcert.reports.figures.radii import Radii
from lipcert.reports.record import Examples, Record
from lipcert.reports.stored import eps_text
from lipcert.store.examples import explained, inside


def radius(records: Sequence[Record]) -> Section | None:
    """A figure a norm, and where the points lie, in numbers. Of examples that are right."""
    found = {record.name: record.examples["attack"] for record in records if "attack" in record.examples}
    found = {name: run for name, run in found.items() if _read(run) is not None}
    if not found:
        return None
    norms = list(dict.fromkeys(run.document["norm"] for run in found.values()))
    pictures = [_picture("radius" if len(norms) == 1 else f"radius-{norm}", norm, found) for norm in norms]
    items: list[Item] = [_how(), *_rounded(found), *pictures, _table(found, several=len(records) > 1)]
    return Section("radius", "Certified against attacked radius", items)


def _rounded(runs: Mapping[str, Examples]) -> list[Text]:
    """Points below the diagonal that contradict nothing."""
    count = sum(len(explained(run.rows)) for run in runs.values())
    words = f"{count} of the points below it contradict nothing: rounding alone fools the network there, and in float64"
    return [Text(f"{words} it keeps the class.", "caution")] if count else []


def _read(run: Examples) -> Radii | None:
    """None where nothing is certified, or nothing is right."""
    right = [(row["certified_radius"], row["attacked_radius"]) for row in run.rows if row["right"]]
    numbers = [(c, a) for c, a in right if isinstance(c, float)]
    if len(numbers) < len(right) or not right:
        return None
    fooled = [(c, a) for c, a in numbers if isinstance(a, float)]
    return Radii(fooled, [c for c, a in numbers if a is None], float(_largest(run)))


def _largest(run: Examples) -> float:
    return float(max(Fraction(row["eps"]) for row in run.document["accuracy"]))


def _how() -> Text:
    return Text(
        "A point is an example that is right: how far it is proved that it can be moved without changing its class, "
        "and the smallest move that was found to change it. A point below the diagonal would contradict the proof. "
        "Arrows are examples that no attack fools within the largest eps."
    )


def _picture(name: str, norm: str, found: Mapping[str, Examples]) -> Picture:
    points = {label: _points(run) for label, run in found.items() if run.document["norm"] == norm}
    caption = f"Certified and attacked radius of every example that is right, in {norm}."
    alt = ". ".join(f"{label}: {_words(each)}" for label, each in points.items())
    return Picture(name, figure.radii(points, norm=norm), caption, f"Scatter plot. {alt}.")


def _points(run: Examples) -> Radii:
    points = _read(run)
    assert points is not None  # as `radius` asks
    return points


def _words(each: Radii) -> str:
    below = sum(inside(*both) for both in each.fooled)
    return f"{len(each.fooled)} points, {below} of them below the diagonal, and {len(each.spared)} examples not fooled"


def _table(found: Mapping[str, Examples], *, several: bool) -> Table:
    names = [
        "right", "fooled", "not fooled", "certified to 0", "below the diagonal", "median certified", "median attacked",
        "median certified / attacked",
    ]  # fmt: skip
    columns = [Column("model")] * several + [Column(name, number=True) for name in names]
    rows = [[Cell(name)] * several + _cells(run) for name, run in found.items()]
    largest = ", ".join(dict.fromkeys(eps_text(run.document["accuracy"][-1]["eps"]) for run in found.values()))
    caption = (
        f"Counted in the rows. Not fooled: by no attack within the largest eps, {largest}. Medians: of those fooled."
    )
    return Table(caption, columns, rows)


def _cells(run: Examples) -> list[Cell]:
    each = _points(run)
    certified = [c for c, _ in each.fooled]
    none = sum(not c > 0 for c in [*each.spared, *certified])
    below = sum(not c <= a for c, a in each.fooled)
    counts = [len(each.fooled) + len(each.spared), len(each.fooled), len(each.spared), none, below]
    cells = [Cell(str(count), count) for count in counts]
    if not each.fooled:
        return cells + [Cell("")] * 3
    ratios = [c / a for c, a in each.fooled if a > 0]
    medians = [median(certified), median(a for _, a in each.fooled), *([median(ratios)] if ratios else [])]
    return cells + [Cell(f"{value:.4g}", value) for value in medians] + [Cell("")] * (not ratios)
