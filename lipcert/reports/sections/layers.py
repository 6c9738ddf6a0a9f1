"""Where the bound comes from: the layers, in token norms the blocks, and the caps that training kept."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from lipcert.reports.content import Cell, Column, Item, Picture, Section, Table, Text
from lipcert.reports.figures.layerwise import layerwise
from lipcert.reports.figures.runs import merged
from lipcert.reports.numbers import about, by, log10, up
from lipcert.reports.record import Document, Record

_PATHS = ("skip", "value", "softmax", "mlp")
_MANY = 60
_COLUMNS = (
    "Of a layer: the estimate is from below and no bound; proved is the bound of this layer alone; slack is proved "
    "over estimate, less one; gain to here is proved, from the source; share is that of the logarithm of the plain "
    "product, so the longest bar is the layer to mend. Of a block, in token norms: what each path through it adds by "
    "its own bound, and the step as a whole."
)


def layers(records: Sequence[Record]) -> Section | None:
    """A table a network, and beside each other where there are several."""
    bounded = {record.name: record.bound for record in records if record.bound is not None}
    items: list[Item] = []
    if len(bounded) > 1:
        items += _side_by_side(bounded)
    items += [Text(_COLUMNS)] if bounded else []
    for name, found in bounded.items():
        items += _one(f"{name}: " if len(records) > 1 else "", found)
    items += [_caps(record, several=len(records) > 1) for record in records if _capped(record)]
    return Section("layers", "Layer by layer", items) if items else None


def _one(start: str, found: Document) -> list[Item]:
    items: list[Item] = [_blocks(start, found)] if found["blocks"] else []
    items.append(_layers(start, found))
    items += [Text(f"{start}{_region(each)}") for each in found["regions"] if not found["blocks"]]
    return items


def _layers(start: str, found: Document) -> Table:
    caption = f"{start}Every layer, in {found['claim']['norm']}."
    names = ("shape", "estimate", "proved", "slack", "gain to here", "share")
    columns = [Column("layer"), Column("operation"), *(Column(name, number=True) for name in names)]
    rows = [_layer(row) for row in found["layers"]]
    return Table(caption, columns, rows, many=len(rows) > _MANY or bool(found["blocks"]))


def _layer(row: Mapping[str, Any]) -> list[Cell]:
    return [
        Cell(row["path"] or row["name"]),
        Cell(row["operation"]),
        Cell(by(row["shape"])),
        _number(row["estimate"], lambda value: f"≈{about(value)}"),
        _proved(row["norm"], row["log10_norm"]),
        _number(row["slack"], lambda value: f"{value:.1e}"),
        _proved(row["gain"], row["log10_gain"]),
        _share(row["share"]),
    ]


def _number(value: float | None, show: Any) -> Cell:
    return Cell("") if value is None else Cell(show(value), value)


def _proved(value: float | None, power: float | None) -> Cell:
    """value: None beyond a float."""
    if power is None:
        return Cell("0" if value == 0 else "", None if value is None else -1e9)
    return Cell(up(Decimal(value)) if value is not None else f"10^{power + 5e-4:.3f}", power)


def _share(share: float | None) -> Cell:
    return Cell("") if share is None else Cell(f"{share:.0%}", share, bar=min(1.0, max(0.0, share)))


def _blocks(start: str, found: Document) -> Table:
    used = [name for name in _PATHS if any(name in block["paths"] for block in found["blocks"])]
    caption = f"{start}Every block, in {found['claim']['norm']}."
    columns = [Column("block"), *(Column(name, number=True) for name in (*used, "step", "gain to here", "share"))]
    rows = []
    for block in found["blocks"]:
        numbers = [block["paths"].get(name) for name in used] + [block["step"], block["gain"]]
        rows.append([Cell(block["path"] or block["operation"]), *map(_decimal, numbers), _share(block["share"])])
    return Table(caption, columns, rows)


def _decimal(text: str | None) -> Cell:
    if text is None:
        return Cell("")
    value = Decimal(text)
    return Cell(up(value), log10(value) if value > 0 else -1e9)


def _region(region: Mapping[str, Any]) -> str:
    gain, product = (up(Decimal(region[key])) for key in ("gain", "product"))
    where = f"From {region['entry']} to {region['exit']} as a whole, by {region['method']}"
    return f"{where}: {gain}, where the layers' own bounds give {product}."


def _side_by_side(bounded: Mapping[str, Document]) -> list[Item]:
    """The layers by path, where at least one is shared."""
    found = {name: _by_path(each) for name, each in bounded.items()}
    paths = merged([list(each) for each in found.values()])
    if not any(sum(path in each for each in found.values()) > 1 for path in paths):
        return [Text("The networks have no layer of the same name, so nothing stands side by side.")]
    columns = [Column("layer"), *(Column(f"{name}, proved", number=True) for name in found)]
    rows = [[Cell(path), *(_beside(each.get(path)) for each in found.values())] for path in paths]
    caption = "The proved norm of each layer alone, side by side; nothing where a network has no such layer."
    largest = "; ".join(f"of {name} the largest is {_largest(each)}" for name, each in found.items())
    figure = layerwise({name: {path: row["log10_norm"] for path, row in each.items()} for name, each in found.items()})
    picture = Picture("layers", figure, caption, f"Horizontal bars, one a layer and network: {largest}.")
    return [picture, Table("The same in numbers, rounded up.", columns, rows, many=len(rows) > _MANY)]


def _by_path(found: Document) -> dict[str, Mapping[str, Any]]:
    """The layers that count in the product; of several at one path the largest."""
    rows: dict[str, Mapping[str, Any]] = {}
    for row in found["layers"]:
        path = row["path"] or row["name"]
        if row["share"] and (path not in rows or row["log10_norm"] > rows[path]["log10_norm"]):
            rows[path] = row
    return rows


def _beside(row: Mapping[str, Any] | None) -> Cell:
    return Cell("") if row is None else _proved(row["norm"], row["log10_norm"])


def _largest(rows: Mapping[str, Mapping[str, Any]]) -> str:
    path = max(rows, key=lambda each: float(rows[each]["log10_norm"]), default="")
    return f"{path} with {_beside(rows[path]).text}" if path else "none"


def _capped(record: Record) -> bool:
    return record.training is not None and bool(record.training.document["guarantee"]["norms"])


def _caps(record: Record, *, several: bool) -> Table:
    assert record.training is not None  # as `_capped` asks
    guarantee = record.training.document["guarantee"]
    promised = "guaranteed after every step" if guarantee["holds"] else "no theorem keeps it so"
    start = f"{record.name}: " if several else ""
    caption = (
        f"{start}The weights under a cap: their norms from RMS to RMS, σ·√(d_in/d_out), proved at the end of training; "
        f"{promised}: {guarantee['why']}."
    )
    columns = [Column("weight"), *(Column(name, number=True) for name in ("proved norm", "cap", "of its cap"))]
    rows = [[Cell(name), *_cap(each["norm"], each["w_max"])] for name, each in guarantee["norms"].items()]
    return Table(caption, columns, rows, many=len(rows) > _MANY)


def _cap(norm: float, cap: float) -> list[Cell]:
    used = norm / cap
    return [
        Cell(up(Decimal(norm)), norm),
        Cell(about(cap), cap),
        Cell(f"{used:.1%}", used, bar=min(1.0, used)),
    ]
