"""How runs went and what is inside their networks: curves, activations, singular values, rounding.

`runs` is always a label for each run, with the rows of one table of it, as `lipcert.store.run.read_training` returns
them.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from lipcert.reports.figures.style import HATCHES, SMALL, colour, dashes, decades, legend_below, panels, plain, powers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]

_LOSS, _BOUND = "validation_loss", "log10_bound"
_TITLES = {
    _LOSS: "validation loss (faint: training)",
    "validation_accuracy": "validation accuracy",
    _BOUND: "proved Lipschitz bound",
}
_UNITS = {
    _LOSS: "cross-entropy (nats)",
    "validation_accuracy": "share of predictions",
    _BOUND: "move of output / of input",
}
_MANY_LAYERS = 40
_NETWORK = "network"
"""How the path "" is shown."""


def curves(runs: Mapping[str, Rows]) -> "Figure":
    """Loss and, where they were measured, validation accuracy and proved bound against steps, from tables `metrics`."""
    every = list(chain.from_iterable(runs.values()))
    measured = [name for name in _TITLES if name == _LOSS or any(row[name] is not None for row in every)]
    figure, axes = panels(1, len(measured))
    for number, (label, rows) in enumerate(runs.items()):
        look: dict[str, Any] = {"color": colour(number), "linestyle": dashes(number)}
        axes[0].plot(*_series(rows, "loss"), linewidth=0.6, alpha=0.5, **look)
        for axis, name in zip(axes, measured, strict=True):
            axis.plot(*_series(rows, name), linewidth=1.6, marker=".", markersize=4, label=plain(label), **look)
    for axis, name in zip(axes, measured, strict=True):
        axis.set_title(_TITLES[name], fontsize=SMALL + 2)
        axis.set_xlabel("step", fontsize=SMALL)
        axis.set_ylabel(_UNITS[name], fontsize=SMALL)
        if name == _BOUND:
            powers(axis.yaxis)
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


def activations(runs: Mapping[str, Rows]) -> "Figure":
    """The largest entry of every layer, and how many of its entries fit fp8, at the last step of tables `activations`.

    Of a network with many layers, a bar a block: its largest entry, and the share of the layer where the fewest fit.
    """
    last = {label: _last(rows) for label, rows in runs.items()}
    paths = merged([list(each) for each in last.values()])
    if len(paths) > _MANY_LAYERS:
        last = {label: _by_block(each) for label, each in last.items()}
        paths = merged([list(each) for each in last.values()])
    rows_high = 0.8 + 0.12 * len(paths) * (len(runs) + 0.6)
    figure, (largest, share) = panels(1, 2, width=4.6, height=rows_high)
    _bars(largest, paths, {label: {p: v[0] for p, v in each.items()} for label, each in last.items()})
    _bars(share, paths, {label: {p: v[1] for p, v in each.items()} for label, each in last.items()})
    decades(largest, [value for each in last.values() for value, _ in each.values() if 0 < value < math.inf])
    titles = ((largest, "largest entry", "absolute value"), (share, "fits fp8 e4m3", "share of entries"))
    for axis, title, unit in titles:
        axis.set_title(title, fontsize=SMALL + 2)
        axis.set_xlabel(unit, fontsize=SMALL)
    share.set_xlim(0, 1)
    share.set_yticklabels([])
    legend_below(figure, *largest.get_legend_handles_labels())
    return figure


def spectra(
    rows: Rows, *, steps: Sequence[int] = (), paths: Sequence[str] = (), caps: Mapping[str, float] | None = None
) -> "Figure":
    """Singular values of weights at steps, in the RMS→RMS norm, from a table `spectra`; all that there are by default.

    caps: weight → its w_max, drawn where given.
    """
    from matplotlib import colormaps

    chosen = list(paths) or list(dict.fromkeys(row["path"] for row in rows))
    times = list(steps) or sorted({row["step"] for row in rows})
    columns = min(4, len(chosen))
    figure, axes = panels(-(-len(chosen) // columns), columns, width=2.6, height=2.2)
    for axis, path in zip(axes, chosen, strict=False):
        for number, step in enumerate(times):
            values = [row["scaled"] for row in rows if row["path"] == path and row["step"] == step]
            shade = colormaps["viridis"](0.85 - 0.85 * (number + 1) / len(times))  # later is darker
            axis.plot([(i + 0.5) / len(values) for i in range(len(values))], values, color=shade, label=f"step {step}")
        if caps and path in caps:
            axis.axhline(caps[path], color="black", linestyle="--", linewidth=0.8, label="cap")
        axis.set_title(plain(path.removesuffix(".weight")), fontsize=SMALL)
        axis.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, None))
        axis.locator_params(axis="y", nbins=4)
        axis.tick_params(labelbottom=False)
    for axis in axes[len(chosen) :]:
        axis.set_visible(False)
    for axis in axes[::columns]:
        axis.set_ylabel("σ·√(d_in/d_out)", fontsize=SMALL)
    for axis in axes[len(chosen) - columns : len(chosen)]:  # the lowest of every column
        axis.tick_params(labelbottom=True)
        axis.set_xlabel("rank, as a share", fontsize=SMALL)
    legend_below(figure, *_once(axes))
    return figure


def casts(runs: Mapping[str, Rows]) -> "Figure":
    """Accuracy with weights and activations rounded to fewer bits, from tables `casts`."""
    figure, (axis,) = panels(1, 1, width=2.0 + 1.4 * len(runs))
    precisions = list(dict.fromkeys(row["precision"] for rows in runs.values() for row in rows))
    wide = 0.8 / len(precisions)
    for number, precision in enumerate(precisions):
        found = [next((r["accuracy"] for r in rows if r["precision"] == precision), 0.0) for rows in runs.values()]
        places = [place + (number - (len(precisions) - 1) / 2) * wide for place in range(len(runs))]
        look: dict[str, Any] = {"color": colour(number), "hatch": HATCHES[number % len(HATCHES)], "edgecolor": "white"}
        bars = axis.bar(places, found, wide, label=precision, **look)
        axis.bar_label(bars, [f"{100 * value:.1f}" for value in found], fontsize=SMALL - 1, padding=1)
    axis.set_xticks(range(len(runs)), list(map(plain, runs)), fontsize=SMALL)
    axis.set(ylabel="validation accuracy", ylim=(0, 1.08), yticks=[tick / 5 for tick in range(6)])
    axis.grid(visible=False, axis="x")
    legend_below(figure, *axis.get_legend_handles_labels())
    return figure


def _series(rows: Rows, name: str) -> tuple[list[int], list[float]]:
    """Steps and values, where it was measured."""
    found = [(row["step"], row[name]) for row in rows if row[name] is not None]
    return [step for step, _ in found], [value for _, value in found]


def _last(rows: Rows) -> dict[str, tuple[float, float]]:
    """Path → largest entry and share, at the last step."""
    step = max((row["step"] for row in rows), default=0)
    return {row["path"]: (row["largest"], row["fp8_share"]) for row in rows if row["step"] == step}


def _by_block(layers: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """The same by the first two parts of the paths."""
    blocks: dict[str, tuple[float, float]] = {}
    for path, (largest, share) in layers.items():
        block = ".".join(path.split(".")[:2])
        before = blocks.get(block, (largest, share))
        blocks[block] = max(before[0], largest), min(before[1], share)
    return blocks


def merged(orders: Sequence[Sequence[str]]) -> list[str]:
    """All names; one that only later lists have follows the one that it follows there."""
    every: list[str] = []
    for order in orders:
        place = 0
        for name in order:
            if name in every:
                place = every.index(name) + 1
            else:
                every.insert(place, name)
                place += 1
    return every


def _bars(axis: "Axes", paths: Sequence[str], runs: Mapping[str, Mapping[str, float]]) -> None:
    """Beside each other, from the top down; none where a run has no such layer, or it is 0 or infinite."""
    thick = 0.8 / len(runs)
    for number, (label, values) in enumerate(runs.items()):
        there = [(place, values[path]) for place, path in enumerate(paths) if 0 < values.get(path, 0) < math.inf]
        look: dict[str, Any] = {"color": colour(number), "hatch": HATCHES[number % len(HATCHES)], "edgecolor": "white"}
        shift = (number - (len(runs) - 1) / 2) * thick
        axis.barh(
            [place + shift for place, _ in there], [v for _, v in there], thick, label=plain(label), linewidth=0, **look
        )
    axis.set_yticks(range(len(paths)), [plain(path or _NETWORK) for path in paths], fontsize=SMALL - 1)
    axis.set_ylim(len(paths) - 0.4, -0.6)
    axis.grid(visible=False, axis="y")


def _once(axes: Sequence["Axes"]) -> tuple[list[Any], list[str]]:
    """Handles and labels of a legend for all axes."""
    pairs = chain.from_iterable(zip(*axis.get_legend_handles_labels(), strict=True) for axis in axes)
    unique = {label: handle for handle, label in pairs}
    return list(unique.values()), list(unique)
