"""How good networks are against how small a bound is proved of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lipcert.reports.figures.style import MARKERS, SMALL, colour, panels, plain, powers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Point(NamedTuple):
    label: str
    log10_bound: float
    quality: float


def tradeoff(points: Sequence[Point], *, quality: str, share: bool) -> "Figure":
    """A point a network, with its name. quality: what it is. share: it is one, of all examples."""
    figure, (axis,) = panels(1, 1, width=5.6, height=3.8)
    for number, each in enumerate(points):
        look: dict[str, Any] = {"marker": MARKERS[number % len(MARKERS)], "color": colour(number), "markersize": 9}
        axis.plot([each.log10_bound], [each.quality], linestyle="", **look)
    low, high = min(p.log10_bound for p in points), max(p.log10_bound for p in points)
    for each in points:
        place = each.log10_bound, each.quality
        right = each.log10_bound - low > 0.6 * (high - low)
        axis.annotate(
            plain(each.label), place, xytext=(-9 if right else 9, 6), textcoords="offset points",
            ha="right" if right else "left", fontsize=SMALL,
        )  # fmt: skip
    axis.margins(0.15)
    axis.set(xlabel="proved Lipschitz bound", ylabel=quality)
    if share:
        axis.set_ylim(0, 1.02)
    powers(axis.xaxis)
    return figure
