"""What the figures share: looks that survive a grey print, axes of powers of ten, and how a figure is written."""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipcert.store.atomic import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Every series differs from the others by more than its colour. Colours: Okabe and Ito's first.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7a5c00", "#6a4c93")
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++", "oo")
SMALL = 8.0

_DPI, _LINE = 150, 48
_KEY, _LETTER, _ROW = 0.6, 0.07, 0.17
"""Inches of a legend's key, of a letter of size SMALL, and of a row of them."""
_ROWS = 4
"""Of a legend, for which every figure has room."""


def colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def dashes(number: int) -> str:
    return DASHES[number % len(DASHES)]


def panels(rows: int, columns: int, *, width: float = 3.6, height: float = 3.0) -> tuple["Figure", list["Axes"]]:
    """A figure with a grid of axes, in reading order. width, height: inches an axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.grid(visible=True, linewidth=0.3)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=SMALL)
    return figure, axes


def powers(axis: Any) -> None:
    """The values along this `axis.xaxis` or `axis.yaxis` are logarithms to base ten: bounds may exceed a float."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=2))
    axis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))


def power(log10: float) -> str:
    """For a tick: a power of ten, or, on an axis too short to have two of them, a number."""
    if abs(log10 - round(log10)) < 1e-6:
        return f"$10^{{{round(log10)}}}$"
    return f"{10**log10:.3g}" if abs(log10) < 3 else f"$10^{{{log10:g}}}$"


def decades(axis: "Axes", values: Sequence[float]) -> None:
    """A logarithmic x-axis from one power of ten to another, around the values, all above 0."""
    from matplotlib.ticker import NullFormatter

    low, high = min(values, default=1.0), max(values, default=1.0)
    axis.set(xscale="log", xlim=(10.0 ** math.floor(math.log10(low * 0.99)), 10.0 ** math.ceil(math.log10(high))))
    axis.xaxis.set_minor_formatter(NullFormatter())


def plain(text: str) -> str:
    """A name as matplotlib writes it down letter by letter: what stands between two dollars is no formula, and an
    underscore in front keeps nothing out of a legend. Of a long line, its start and its end.
    """
    lines = (line if len(line) <= _LINE else f"{line[: _LINE // 2]}…{line[-_LINE // 2 :]}" for line in text.split("\n"))
    written = "\n".join(lines).replace("$", r"\$")
    return f" {written}" if written.startswith("_") else written


def legend_below(figure: "Figure", handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Under the axes, in as many columns as the figure has room for; with many rows the figure grows by them."""
    wide = _KEY + _LETTER * max(map(len, labels), default=0)
    columns = max(1, min(len(labels), int(figure.get_figwidth() / wide)))
    more = max(0, math.ceil(len(labels) / columns) - _ROWS)
    figure.set_figheight(figure.get_figheight() + _ROW * more)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=SMALL)


@contextmanager
def looks() -> Iterator[None]:
    """Figures that are made and drawn in it look the same on every machine: no settings of the user's, and the font
    that matplotlib brings along.
    """
    import matplotlib.style as styles

    with styles.context(["default", {"font.family": ["DejaVu Sans"]}]):
        yield


def encode(figure: "Figure", name: str) -> dict[str, bytes]:
    """NAME.svg and NAME.png, the same bytes whenever."""
    import matplotlib as mpl

    files = {}
    for ending, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
        buffer = io.BytesIO()
        with mpl.rc_context({"svg.hashsalt": name}):
            figure.savefig(buffer, format=ending, dpi=_DPI, metadata=metadata)
        files[f"{name}.{ending}"] = buffer.getvalue()
    return files


def save(figure: "Figure", path: Path, *, overwrite: bool = False) -> None:
    """Write PATH.svg and PATH.png. Raises OutputError as `write_bytes` does."""
    for name, content in encode(figure, path.name).items():
        write_bytes(path.with_name(name), content, overwrite=overwrite)
