"""The upper bound that is proved, against the lower one that was measured."""

from collections.abc import Sequence
from decimal import Decimal

from lipcert.reports.content import Cell, Column, Picture, Section, Table, Text
from lipcert.reports.figures.gap import Gap, gaps
from lipcert.reports.numbers import about, log10, ratio, up
from lipcert.reports.record import Record
from lipcert.reports.stored import Stated, claims, label

Named = tuple[str, Stated]


def gap(records: Sequence[Record]) -> Section | None:
    """A row a claim."""
    several = len(records) > 1
    found = [(record.name, each) for record in records for each in claims(record) if each.proved is not None]
    if not found:
        return None
    text = Text(
        "How many times as far as the input the output moves at most. The truth lies between the largest ratio "
        "|f(x) - f(x')| / |x - x'| that was found and the bound that is proved. The plain product of the layers' norms "
        "is what the bound would be without bounding parts of the network as a whole."
    )
    drawn = [(name, each) for name, each in found if each.proved]  # 0 has no place on a logarithmic axis
    pictures = [_picture(drawn, several)] if drawn else []
    return Section("gap", "Proved against measured", [text, *pictures, _table(found, several)])


def _table(found: Sequence[Named], several: bool) -> Table:
    names = (
        "measured, at least",
        "proved, at most",
        "proved / measured",
        "plain product",
        "estimate, arXiv 2507.13338",
    )
    columns = [Column("model")] * several + [Column("claim"), *(Column(name, number=True) for name in names)]
    rows = [[Cell(name)] * several + _cells(each) for name, each in found]
    return Table("Proved numbers are rounded up.", *_without_empty(columns, rows))


def _cells(each: Stated) -> list[Cell]:
    assert each.proved is not None  # as `gap` asks
    lower = each.lower if each.lower is not None else None
    return [
        Cell(label(each.claim)),
        Cell("") if lower is None else Cell(about(lower), lower),
        _bound(each.proved),
        Cell("") if lower is None else Cell(ratio(each.proved, Decimal(lower))),
        _bound(each.product),
        _bound(each.paper),
    ]


def _bound(value: Decimal | None) -> Cell:
    return Cell("") if value is None else Cell(up(value), log10(value) if value > 0 else -1e9)


def _without_empty(columns: list[Column], rows: list[list[Cell]]) -> tuple[list[Column], list[list[Cell]]]:
    kept = [place for place in range(len(columns)) if any(row[place].text for row in rows)]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _picture(found: Sequence[Named], several: bool) -> Picture:
    drawn = [_gap(name if several else "", each) for name, each in found]
    alt = "; ".join(_words(name if several else "", each) for name, each in found)
    caption = (
        "From the largest ratio that was measured to the bound that is proved; on the right, how far apart they are."
    )
    return Picture("gap", gaps(drawn), caption, f"A horizontal line a bound: {alt}.")


def _gap(name: str, each: Stated) -> Gap:
    assert each.proved is not None  # as `gap` asks
    lower = Decimal(each.lower or 0)
    words = "\n".join(filter(None, [name, label(each.claim)]))
    powers = [_power(value) for value in (lower, each.product, each.paper)]
    return Gap(words, ratio(each.proved, lower), log10(each.proved), *powers)


def _power(value: Decimal | None) -> float | None:
    return log10(value) if value is not None and value > 0 else None


def _words(name: str, each: Stated) -> str:
    assert each.proved is not None
    start = " ".join(filter(None, [name, label(each.claim)]))
    measured = "nothing measured" if each.lower is None else f"measured at least {about(each.lower)}"
    return f"{start}: {measured}, proved at most {up(each.proved)}"
