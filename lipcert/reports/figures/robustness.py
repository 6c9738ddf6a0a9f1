"""Accuracy against the size of the perturbation, of several networks."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lipcert.reports.figures.style import MARKERS, colour, legend_below, panels, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DECADES = 100


def accuracy(runs: Mapping[str, Mapping[str, Any]]) -> "Figure":
    """Attacked (solid) and certified (dashed) accuracy against eps.

    runs: label → the JSON of a run of `lipcert attack` or `lipcert certify`, all in one norm, from which
    `lipcert.store.run.read_run` makes it. What a run did not ask for is not drawn. Raises ValueError for two norms.
    """
    norms = sorted({found["norm"] for found in runs.values()})
    if len(norms) > 1:
        raise ValueError(f"one norm a figure; these runs are in {', '.join(norms)}")
    figure, (axis,) = panels(1, 1, width=4.8, height=3.6)
    for number, (label, found) in enumerate(runs.items()):
        look: dict[str, Any] = {"color": colour(number), "marker": MARKERS[number % len(MARKERS)], "markersize": 4}
        for kind, line, fill in (("attacked", "-", "full"), ("certified", "--", "none")):
            eps, shares = _line(found, kind)
            if shares:
                axis.plot(eps, shares, linestyle=line, fillstyle=fill, label=f"{plain(label)}, {kind}", **look)
    axis.set(xlabel=f"eps ({', '.join(norms)})", ylabel="accuracy", ylim=(0, 1.02))
    _spread(axis, [float(Fraction(row["eps"])) for found in runs.values() for row in found["accuracy"]])
    legend_below(figure, *axis.get_legend_handles_labels())
    return figure


def _spread(axis: "Axes", budgets: Sequence[float]) -> None:
    """From 0 on; budgets that are decades apart get a logarithmic axis from the smallest on."""
    positive = [eps for eps in budgets if eps > 0]
    if positive and max(positive) / min(positive) > _DECADES:
        axis.set_xscale("symlog", linthresh=min(positive))
    axis.set_xlim(left=0)


def _line(found: Mapping[str, Any], kind: str) -> tuple[list[float], list[float]]:
    """From eps 0, where nothing is perturbed."""
    there = [(float(Fraction(row["eps"])), row[kind]) for row in found["accuracy"] if row[kind] is not None]
    if there and there[0][0] > 0:
        there = [(0.0, found["accuracy"][0]["clean"]), *there]
    return [eps for eps, _ in there], [share for _, share in there]
