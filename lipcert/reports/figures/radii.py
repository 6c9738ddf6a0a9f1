"""Certified against attacked radius, example by example."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from lipcert.reports.figures.style import MARKERS, colour, legend_below, panels, plain, powers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Radii(NamedTuple):
    """fooled: certified and attacked radius of examples that an attack fools. spared: certified radii of those that
    none fools within `largest`, the largest eps.
    """

    fooled: Sequence[tuple[float, float]]
    spared: Sequence[float]
    largest: float


_FAR, _NEAR = 10, 6
"""How many times as far as the median proof every attack reaches, where axes are logarithmic; powers of ten."""


def radii(runs: Mapping[str, Radii], *, norm: str) -> "Figure":
    """A point an example, on or above the diagonal wherever a proof is right. Arrows: those that no attack fools, at
    the largest eps, or at their certified radius where that is larger.

    On logarithmic axes, which are chosen where attacks reach much further than proofs, what is certified to 0 has no
    point.
    """
    logarithmic = _logarithmic(runs)
    figure, (axis,) = panels(1, 1, width=4.8, height=4.2)
    for number, (label, found) in enumerate(runs.items()):
        look: dict[str, Any] = {"linestyle": "", "color": colour(number), "alpha": 0.6, "fillstyle": "none"}
        spared = [(radius, max(radius, found.largest)) for radius in found.spared]
        for pairs, marker, size, name in (
            (found.fooled, MARKERS[number % len(MARKERS)], 4, plain(label)),
            (spared, "$\\uparrow$", 7, f"{plain(label)}, not fooled"),
        ):
            points = _points(pairs, logarithmic)
            if points:
                axis.plot(*zip(*points, strict=True), marker=marker, markersize=size, label=name, **look)
    _limits(axis, logarithmic)
    _diagonal(axis)
    axis.set(xlabel=f"certified radius ({norm})", ylabel=f"smallest attacked radius ({norm})")
    if logarithmic:
        powers(axis.xaxis)
        powers(axis.yaxis)
    legend_below(figure, *axis.get_legend_handles_labels())
    return figure


def _logarithmic(runs: Mapping[str, Radii]) -> bool:
    certified = [x for found in runs.values() for x in [*found.spared, *(c for c, _ in found.fooled)]]
    attacked = [y for found in runs.values() for _, y in found.fooled]
    return bool(certified) and bool(attacked) and min(attacked) > _FAR * median(certified)


def _points(pairs: Sequence[tuple[float, float]], logarithmic: bool) -> list[tuple[float, float]]:
    if not logarithmic:
        return list(pairs)
    return [(math.log10(x), math.log10(y)) for x, y in pairs if x > 0 and y > 0]


def _limits(axis: "Axes", logarithmic: bool) -> None:
    """From 0; in whole decades where they are logarithmic, and then down to the diagonal where that is near."""
    seen = axis.dataLim
    if not logarithmic:
        axis.set(xlim=(0, 1.05 * seen.x1 or 1), ylim=(0, 1.05 * seen.y1 or 1))
        return
    left, low = math.floor(seen.x0), math.floor(seen.y0)
    axis.set(xlim=(left, math.ceil(seen.x1)), ylim=(left if low - left <= _NEAR else low, math.ceil(seen.y1 + 0.05)))


def _diagonal(axis: "Axes") -> None:
    """As far as it is in view."""
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    if low < right:
        ends = [max(left, low), min(right, high)]
        axis.plot(ends, ends, color="0.3", linewidth=0.9, linestyle="--", label="attacked = certified")
        axis.set(xlim=(left, right), ylim=(low, high))
