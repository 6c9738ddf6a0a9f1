"""A gate as Markdown: a table, and a paragraph for each rule that has not passed."""

import re
from collections.abc import Iterable

from lipcert.gates.result import GateResult, Row
from lipcert.gates.words import COLUMNS, cells, summary, title, why

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")


def to_markdown(result: GateResult) -> str:
    lines = [f"## lipcert {_text(summary(result))}", "", _line(COLUMNS), _line("---" for _ in COLUMNS)]
    lines += [_line(_text(cell) for cell in cells(row)) for row in result.rows]
    for row in result.rows:
        lines += _details(row)
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _details(row: Row) -> list[str]:
    """What was found, as it is and not as markup."""
    told = [why(row), *(f"note: {note}" for note in row.notes)]
    body = "\n".join(filter(None, told))
    if not body:
        return []
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
    return ["", f"**{_text(title(row))}: {row.verdict}**", "", f"{fence}text", body, fence]


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
