"""What is inside a network: ranges of its activations, what rounding costs, singular values of its weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from lipcert.reports.content import Cell, Column, Picture, Section, Table, Text
from lipcert.reports.figures import runs as figures
from lipcert.reports.numbers import about, percent
from lipcert.reports.record import Record
from lipcert.store.run import TrainTable

_Row = Mapping[str, Any]

_MANY = 40
_PANELS, _STEPS = 24, 5
"""How many weights a figure of spectra shows at most, and how many steps."""


def activations(records: Sequence[Record]) -> Section | None:
    """How large entries get on a batch, and how many of them fp8 holds."""
    found = _tables(records, "activations")
    if not found:
        return None
    last = {name: _last(rows) for name, rows in found.items()}
    extremes = ". ".join(f"{name}: {_extremes(rows)}" for name, rows in last.items())
    caption = (
        "The largest absolute entry of what each layer returns on a batch, and how many of its entries fit fp8 e4m3."
    )
    picture = Picture("activations", figures.activations(found), caption, f"Two bar charts, a bar a layer. {extremes}.")
    text = Text(
        "At the end of training. An entry fits fp8 e4m3 where that format holds it without scaling: neither so large "
        f"that it overflows nor so small that it becomes 0. {extremes}."
    )
    return Section("activations", "Activation ranges and fp8", [text, picture, _ranges(last, several=len(records) > 1)])


def _ranges(last: Mapping[str, Sequence[_Row]], *, several: bool) -> Table:
    columns = [Column("model")] * several + [Column("layer")]
    columns += [Column("largest entry", number=True), Column("fits fp8 e4m3", number=True)]
    rows = [
        [Cell(name)] * several
        + [Cell(row["path"] or "network"), Cell(about(row["largest"]), row["largest"]), _share(row["fp8_share"])]
        for name, found in last.items() for row in found
    ]  # fmt: skip
    return Table("Every layer, on a batch at the last step.", columns, rows, many=len(rows) > _MANY)


def _share(share: float) -> Cell:
    return Cell(f"{share:.2%}", share, bar=share)


def _extremes(rows: Sequence[_Row]) -> str:
    """Of one network."""
    largest, fits = max(rows, key=lambda row: float(row["largest"])), min(rows, key=lambda row: float(row["fp8_share"]))
    return (
        f"the largest entry is {about(largest['largest'])}, of {largest['path'] or 'the network'}; the fewest fit in "
        f"{fits['path'] or 'the network'}, {fits['fp8_share']:.2%}"
    )


def casts(records: Sequence[Record]) -> Section | None:
    """Accuracy with weights and activations rounded."""
    found = _tables(records, "casts")
    if not found:
        return None
    several = len(records) > 1
    columns = [Column("model")] * several + [Column("precision")]
    columns += [Column("loss", number=True), Column("accuracy", number=True)]
    rows = [[Cell(name)] * several + _cast(row) for name, each in found.items() for row in each]
    words = ". ".join(f"{name}: {', '.join(map(_rounded, each))}" for name, each in found.items())
    caption = "Validation accuracy with weights and activations rounded to fewer bits."
    picture = Picture("casts", figures.casts(found), caption, f"Bars. {words}.")
    return Section("casts", "Rounded to fewer bits", [picture, Table("On the validation data.", columns, rows)])


def _cast(row: _Row) -> list[Cell]:
    return [
        Cell(str(row["precision"])),
        Cell(f"{row['loss']:.4g}", row["loss"]),
        Cell(percent(row["accuracy"]), row["accuracy"]),
    ]


def _rounded(row: _Row) -> str:
    return f"{row['precision']} {percent(row['accuracy'])}"


def spectra(records: Sequence[Record]) -> Section | None:
    """A figure a network: the singular values of its weights, with their caps."""
    found = _tables(records, "spectra")
    if not found:
        return None
    drawn = [(number, record) for number, record in enumerate(records, 1) if record.name in found]
    pictures = [_spectrum(record, f"spectra-{number}" if len(found) > 1 else "spectra") for number, record in drawn]
    text = Text(
        "Singular values of every weight in the norm from RMS to RMS, σ·√(d_in/d_out), from the largest to the "
        "smallest: a flat line is a weight that stretches all directions alike."
    )
    return Section("spectra", "Singular values", [text, *pictures])


def _spectrum(record: Record, name: str) -> Picture:
    assert record.training is not None  # as `_tables` asks
    rows = record.training.tables["spectra"]
    caps = {name: each["w_max"] for name, each in record.training.document["guarantee"]["norms"].items()}
    every = _distinct(rows, "path")
    paths, steps = _spread(every, _PANELS), _spread(_distinct(rows, "step"), _STEPS)
    which = "every weight" if len(paths) == len(every) else f"{len(paths)} of {len(every)} weights"
    dashed = "; dashed: its cap" if caps else ""
    caption = f"{record.name}: singular values of {which}, at step {', '.join(map(str, steps))}{dashed}."
    figure = figures.spectra(rows, paths=paths, steps=steps, caps=caps)
    return Picture(name, figure, caption, _tops(rows, paths, steps[-1]))


def _tops(rows: Sequence[Any], paths: Sequence[Any], step: Any) -> str:
    tops = {path: max(row["scaled"] for row in rows if row["path"] == path and row["step"] == step) for path in paths}
    low, high = min(tops, key=lambda each: tops[each]), max(tops, key=lambda each: tops[each])
    return (
        f"A panel a weight, {len(tops)} in all, with a line that falls. At step {step} the largest values lie between "
        f"{tops[low]:.3g} ({low}) and {tops[high]:.3g} ({high})."
    )


def _distinct(rows: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in rows))


def _spread(values: list[Any], most: int) -> list[Any]:
    """At most so many, from the first to the last."""
    if len(values) <= most:
        return values
    return [values[round(place * (len(values) - 1) / (most - 1))] for place in range(most)]


def _tables(records: Sequence[Record], name: TrainTable) -> dict[str, Any]:
    """Name of each network that was trained → the rows of its table."""
    trained = {record.name: record.training.tables[name] for record in records if record.training is not None}
    return {label: rows for label, rows in trained.items() if rows}


def _last(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    step = max(row["step"] for row in rows)
    return [row for row in rows if row["step"] == step]
