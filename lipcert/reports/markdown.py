"""A report as Markdown, as GitHub shows it; figures lie beside it."""

import re
from collections.abc import Iterator, Sequence
from html import escape

from lipcert.reports.content import Cell, Column, Item, Picture, Report, Section, Table, Text

FIGURES = "figures"
"""The folder of the figures, beside the file."""

_CODE = re.compile(r"(`[^`]*`)")
_SPECIAL = re.compile(r"([\\*_\[\]<>#|~])")
_MARKS = {"plain": "", "good": "✓ ", "bad": "✗ ", "caution": "! "}
_BLOCKS = 10
"""Characters of the bar of a share of 1."""


def render(report: Report) -> str:
    """The whole file, the same text whenever."""
    parts = [f"# {_escape(report.title)}", *map(_paragraph, report.claim), *map(_section, report.sections)]
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> str:
    return "\n\n".join([f"## {_escape(section.title)}", *map(_item, section.items)])


def _item(item: Item) -> str:
    if isinstance(item, Text):
        return _paragraph(item)
    return _picture(item) if isinstance(item, Picture) else _table(item)


def _paragraph(text: Text) -> str:
    if text.code:
        return f"    {' '.join(text.text.split())}"
    words = _escape(text.text)
    return words if text.tone == "plain" else f"**{_MARKS[text.tone].strip()}** {words}"


def _picture(picture: Picture) -> str:
    return f"![{_escape(picture.alt)}]({FIGURES}/{picture.name}.png)\n\n*{_escape(picture.caption)}*"


def _table(table: Table) -> str:
    lines = "\n".join(_lines(table.columns, table.rows))
    if not table.many:
        return f"{_escape(table.caption)}\n\n{lines}"
    return f"<details>\n<summary>{_html(table.caption)}</summary>\n\n{lines}\n\n</details>"


def _html(text: str) -> str:
    """In a line of HTML, where Markdown's own signs mean nothing."""
    parts = _CODE.split(escape(text, quote=False))
    return "".join(f"<code>{part[1:-1]}</code>" if part.startswith("`") else part for part in parts)


def _lines(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    yield _line([_escape(column.name) for column in columns])
    yield _line(["---:" if column.number else "---" for column in columns])
    for row in rows:
        yield _line([_cell(cell) for cell in row])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    bar = "" if cell.bar is None else f"{'█' * round(_BLOCKS * cell.bar)} "
    return f"{bar}{_MARKS[cell.tone]}{_escape(cell.text)}".strip()


def _escape(text: str) -> str:
    """What would be markup stands as it is; code between backticks stays code, but for the bars that end a cell."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(part.replace("|", r"\|") if part.startswith("`") else _SPECIAL.sub(r"\\\1", part) for part in parts)
