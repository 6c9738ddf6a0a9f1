"""What a report says, apart from how it looks: sections of sentences, tables and figures.

`lipcert.reports.html` and `lipcert.reports.markdown` write it down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Tone = Literal["plain", "good", "bad", "caution"]
"""Never by colour alone: what it colours says in words what it means."""


@dataclass(frozen=True)
class Text:
    """A paragraph, in which what stands between two backticks is code. code: all of it is, and none are backticks."""

    text: str
    tone: Tone = "plain"
    code: bool = False


@dataclass(frozen=True)
class Cell:
    """text: as people read it, code between backticks. value: what a table is sorted by, None to sort by the text.
    bar: a share in [0, 1] that is drawn beside it, None for none.
    """

    text: str
    value: int | float | None = None
    tone: Tone = "plain"
    bar: float | None = None


@dataclass(frozen=True)
class Column:
    """name: with its unit. number: set to the right."""

    name: str
    number: bool = False


@dataclass(frozen=True)
class Table:
    """caption: what the rows are. rows: a cell a column. many: longer than people read at once, and to be folded."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    many: bool = False


@dataclass(frozen=True)
class Picture:
    """name: of its files, figures/NAME.svg and .png; unique in a report. caption: what it shows. alt: what one sees,
    for those who do not.
    """

    name: str
    figure: "Figure"
    caption: str
    alt: str


Item = Text | Table | Picture


@dataclass(frozen=True)
class Section:
    """id: its anchor, letters and dashes; unique in a report."""

    id: str
    title: str
    items: Sequence[Item]


@dataclass(frozen=True)
class Report:
    """title: of the page. claim: the sentences that stand first. sections: in the order of reading."""

    title: str
    claim: Sequence[Text]
    sections: Sequence[Section]
