"""What is proved above what was measured: the truth lies between."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lipcert.reports.figures.style import SMALL, colour, legend_below, panels, plain, powers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

APART = 3.0
"""Powers of ten between the smallest and the largest number from which on an axis is logarithmic."""


class Gap(NamedTuple):
    """log10 of each; None where there is none, or it is 0. ratio: of upper over lower, in words."""

    label: str
    ratio: str
    upper: float
    lower: float | None
    product: float | None
    paper: float | None


_LOOKS = {
    "proved, at most": ("upper", "|", "full", 0, 16),
    "plain product of proved norms": ("product", "s", "none", 1, 6),
    "measured, at least": ("lower", "o", "full", 2, 6),
    "estimate by arXiv 2507.13338": ("paper", "x", "full", 3, 6),
}


def gaps(found: Sequence[Gap]) -> "Figure":
    """A line a bound, from what was measured to what is proved."""
    values = [value for each in found for value in each[2:] if value is not None]
    logarithmic = max(values) - min(values) > APART
    figure, (axis,) = panels(1, 1, width=6.4, height=1.3 + 0.36 * len(found))
    for place, each in enumerate(found):
        if each.lower is not None:
            ends = [_at(value, logarithmic) for value in (each.lower, each.upper)]
            axis.plot(ends, [place, place], color="0.55", linewidth=2.5, zorder=1)
            axis.text(
                1.01,
                place,
                f"× {_raised(each.ratio)}",
                transform=axis.get_yaxis_transform(),
                va="center",
                fontsize=SMALL,
            )
    for label, (name, marker, fill, number, size) in _LOOKS.items():
        there = [(_at(getattr(g, name), logarithmic), i) for i, g in enumerate(found) if getattr(g, name) is not None]
        if there:
            axis.plot(
                [x for x, _ in there], [y for _, y in there], marker=marker, fillstyle=fill, color=colour(number),
                markersize=size, markeredgewidth=1.8, linestyle="", label=label,
            )  # fmt: skip
    axis.set_yticks(range(len(found)), [plain(each.label) for each in found], fontsize=SMALL)
    axis.set_ylim(len(found) - 0.5, -0.5)
    axis.set_xlabel("how many times the output may move further than the input", fontsize=SMALL)
    axis.grid(visible=False, axis="y")
    if logarithmic:
        powers(axis.xaxis)
    else:
        axis.set_xlim(0, 1.05 * 10 ** max(values))
    legend_below(figure, *axis.get_legend_handles_labels())
    return figure


def _at(log10: float, logarithmic: bool) -> float:
    return log10 if logarithmic else 10.0**log10


def _raised(ratio: str) -> str:
    base, _, power = ratio.partition("^")
    return f"${base}^{{{power}}}$" if power else ratio
