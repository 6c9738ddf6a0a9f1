"""The frontier: how good networks are against how small a bound is proved of them."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from lipcert.reports.figures.style import SMALL, colour, legend_below, panels, powers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHAPES = {
    "none": "o",
    "weight_decay": "s",
    "spectral_weight_decay": "D",
    "spectral_normalisation": "^",
    "soft_cap": "v",
    "hard_cap": "P",
    "spectral_hammer": "X",
    "stiefel": "*",
    "svd_cap": "p",
}
FILLS = {"muon": "full", "adamw": "none"}

_POINT: dict[str, Any] = {"markersize": 7, "linestyle": ""}
_RING: dict[str, Any] = {
    "marker": "o", "fillstyle": "none", "color": "0.3", "markersize": 13, "linestyle": "", "markeredgewidth": 0.8,
}  # fmt: skip
_LINE: dict[str, Any] = {"color": "0.55", "linewidth": 1.2}
_WANTED: dict[str, Any] = {"color": "0.2", "linewidth": 1.2, "linestyle": ":"}


Row = Mapping[str, Any]
"""optimizer, constraint, w_max or None, weight_decay or None where that is what was chosen instead, guaranteed,
validation_loss, and log10_bound of what is proved of the network, None where it has no finite bound. Also, where what
stands beside the point is not to be w_max or λ, `label`."""


def pareto(rows: Sequence[Row]) -> list[Row]:
    """Those to which no other is better in one and as good in the other, by ascending bound."""
    best: list[Row] = []
    bounded = [each for each in rows if each["log10_bound"] is not None]
    for each in sorted(bounded, key=lambda each: (each["log10_bound"], each["validation_loss"])):
        if not best or each["validation_loss"] < best[-1]["validation_loss"]:
            best.append(each)
    return best


def frontier(rows: Sequence[Row], *, wanted: tuple[float, str] | None = None, notes: Sequence[str] = ()) -> "Figure":
    """Validation loss against the proved bound: a shape a constraint, a fill an optimiser, a ring where the cap is
    guaranteed, w_max or λ beside it; a line through those that none beats. Runs without a finite bound are named below.

    wanted: the log10 of a bound that was to be reached, and what its line is called. notes: lines to stand below.
    """
    below = [line for note in (*notes, *_unbounded(rows)) for line in wrap(note, 110)]
    figure, (axis,) = panels(1, 1, width=6.8, height=5.0 + 0.14 * len(below))
    best = pareto(rows)
    losses = [each["validation_loss"] for each in best]
    axis.step([each["log10_bound"] for each in best], losses, where="post", zorder=1, **_LINE)
    for each in rows:
        if each["log10_bound"] is not None:
            _draw(axis, (each["log10_bound"], each["validation_loss"]), each, best=each in best)
    if wanted is not None:
        axis.axvline(wanted[0], zorder=0, **_WANTED)
    powers(axis.xaxis)
    axis.set_xlabel("proved Lipschitz bound")
    axis.set_ylabel("validation loss")
    if below:
        axis.text(0, -0.13, "\n".join(below), transform=axis.transAxes, va="top", fontsize=SMALL - 1)
    legend_below(figure, *_legend(rows, wanted))
    return figure


def _unbounded(rows: Sequence[Row]) -> list[str]:
    """The line that names the runs without a finite bound, where there are any."""
    names = [f"{_name(each)} ({each['validation_loss']:.3g})" for each in rows if each["log10_bound"] is None]
    return [f"no finite bound, with validation loss: {', '.join(names)}"] if names else []


def _draw(axis: "Axes", place: tuple[float, float], each: Row, *, best: bool) -> None:
    """The name of a point on the frontier stands outside of it, where there are no others."""
    x, y = place
    axis.plot([x], [y], zorder=3, **_look(each["constraint"], each["optimizer"]))
    if each["guaranteed"]:
        axis.plot([x], [y], zorder=2, **_RING)
    corner: dict[str, Any] = {"xytext": (-7, -4), "ha": "right", "va": "top"} if best else {"xytext": (7, 4)}
    shift: dict[str, Any] = corner | {"textcoords": "offset points"}
    axis.annotate(each.get("label", _strength(each)), place, fontsize=SMALL - 2, color="0.35", **shift)


def _look(constraint: str, optimizer: str) -> dict[str, Any]:
    shape, larger = SHAPES[constraint], 1.5 if SHAPES[constraint] == "*" else 1.0
    return _POINT | {
        "marker": shape,
        "fillstyle": FILLS[optimizer],
        "color": colour(list(SHAPES).index(constraint)),
        "markersize": _POINT["markersize"] * larger,
    }


def _legend(rows: Sequence[Row], wanted: tuple[float, str] | None) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    constraints = [name for name in SHAPES if any(each["constraint"] == name for each in rows)]
    looks = {name.replace("_", " "): _look(name, "muon") for name in constraints}
    for optimizer, style in FILLS.items():
        if any(each["optimizer"] == optimizer for each in rows):
            looks[optimizer] = _POINT | {"marker": "h", "fillstyle": style, "color": "0.3"}
    if any(each["guaranteed"] for each in rows):
        looks["cap guaranteed"] = _RING
    looks["none better in both"] = _LINE
    if wanted is not None:
        looks[wanted[1]] = _WANTED
    return [Line2D([], [], **look) for look in looks.values()], list(looks)


def _name(each: Row) -> str:
    return f"{each['optimizer']} {each['constraint'].replace('_', ' ')} {_strength(each)}".strip()


def _strength(each: Row) -> str:
    if each["w_max"] is not None:
        return f"{each['w_max']:g}"
    return "" if each.get("weight_decay") is None else f"λ{each['weight_decay']:g}"
