"""The layers of several networks side by side."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lipcert.reports.figures.runs import merged
from lipcert.reports.figures.style import HATCHES, SMALL, colour, legend_below, panels, plain, powers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def layerwise(runs: Mapping[str, Mapping[str, float]]) -> "Figure":
    """A bar a layer and network: how many powers of ten its proved norm is, right of 1 where it expands.

    runs: label → path of a layer → log10 of its proved norm.
    """
    paths = merged([list(each) for each in runs.values()])
    figure, (axis,) = panels(1, 1, width=6.4, height=1.0 + 0.13 * len(paths) * (len(runs) + 0.6))
    thick = 0.8 / len(runs)
    for number, (label, values) in enumerate(runs.items()):
        there = [(place, values[path]) for place, path in enumerate(paths) if math.isfinite(values.get(path, math.inf))]
        look: dict[str, Any] = {"color": colour(number), "hatch": HATCHES[number % len(HATCHES)], "edgecolor": "white"}
        shift = (number - (len(runs) - 1) / 2) * thick
        axis.barh(
            [place + shift for place, _ in there], [v for _, v in there], thick, label=plain(label), linewidth=0, **look
        )
    axis.axvline(0, color="0.3", linewidth=0.8)
    axis.set_yticks(range(len(paths)), list(map(plain, paths)), fontsize=SMALL - 1)
    axis.set_ylim(len(paths) - 0.4, -0.6)
    axis.set_xlabel("proved norm of the layer alone", fontsize=SMALL)
    axis.grid(visible=False, axis="y")
    powers(axis.xaxis)
    legend_below(figure, *axis.get_legend_handles_labels())
    return figure
