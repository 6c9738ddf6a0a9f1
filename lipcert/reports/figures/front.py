"""The frontier: how good networks are against how small a bound is proved of them."""

from collections.abc import Mapping, Sequence
from textwrap import fill
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


Row = Mapping[str, Any]
"""optimizer, constraint, w_max or None, weight_decay or None where that is what was chosen instead, guaranteed,
validation_loss, and log10_bound of what is proved of the network, None where it has no finite bound."""


def row(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of the JSON of a training run; of several bounds, the first."""
    recipe, bounds = found["recipe"], found["bounds"]
    return {
        "optimizer": recipe["optimizer"],
        "constraint": recipe["constraint"],
        "w_max": recipe.get("w_max"),
        "weight_decay": recipe.get("weight_decay") if recipe.get("w_max") is None else None,
        "guaranteed": found["guarantee"]["holds"],
        "validation_loss": found["results"]["validation_loss"],
        "log10_bound": bounds[0]["log10_upper"] if bounds else None,
    }


def pareto(rows: Sequence[Row]) -> list[Row]:
    """Those to which no other is better in one and as good in the other, by ascending bound."""
    best: list[Row] = []
    bounded = [each for each in rows if each["log10_bound"] is not None]
    for each in sorted(bounded, key=lambda each: (each["log10_bound"], each["validation_loss"])):
        if not best or each["validation_loss"] < best[-1]["validation_loss"]:
            best.append(each)
    return best


def frontier(rows: Sequence[Row]) -> "Figure":
    """Validation loss against the proved bound: a shape a constraint, a fill an optimiser, a ring where the cap is
    guaranteed, w_max or λ beside it; a line through those that none beats. Runs without a finite bound are named below.
    """
    figure, (axis,) = panels(1, 1, width=6.8, height=5.0)
    best = pareto(rows)
    losses = [each["validation_loss"] for each in best]
    axis.step([each["log10_bound"] for each in best], losses, where="post", zorder=1, **_LINE)
    for each in rows:
        if each["log10_bound"] is not None:
            _draw(axis, (each["log10_bound"], each["validation_loss"]), each)
    powers(axis.xaxis)
    unbounded = [f"{_name(each)} ({each['validation_loss']:.3g})" for each in rows if each["log10_bound"] is None]
    note = fill(f"no finite bound, with validation loss: {', '.join(unbounded)}", 90) if unbounded else ""
    axis.set_xlabel("\n".join(filter(None, ["proved Lipschitz bound", note])))
    axis.set_ylabel("validation loss")
    legend_below(figure, *_legend(rows))
    return figure


def _draw(axis: "Axes", place: tuple[float, float], each: Row) -> None:
    x, y = place
    axis.plot([x], [y], zorder=3, **_look(each["constraint"], each["optimizer"]))
    if each["guaranteed"]:
        axis.plot([x], [y], zorder=2, **_RING)
    shift: dict[str, Any] = {"xytext": (7, 4), "textcoords": "offset points"}
    axis.annotate(_strength(each), place, fontsize=SMALL - 2, color="0.35", **shift)


def _look(constraint: str, optimizer: str) -> dict[str, Any]:
    shape, larger = SHAPES[constraint], 1.5 if SHAPES[constraint] == "*" else 1.0
    return _POINT | {
        "marker": shape,
        "fillstyle": FILLS[optimizer],
        "color": colour(list(SHAPES).index(constraint)),
        "markersize": _POINT["markersize"] * larger,
    }


def _legend(rows: Sequence[Row]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    constraints = [name for name in SHAPES if any(each["constraint"] == name for each in rows)]
    looks = {name.replace("_", " "): _look(name, "muon") for name in constraints}
    for optimizer, style in FILLS.items():
        if any(each["optimizer"] == optimizer for each in rows):
            looks[optimizer] = _POINT | {"marker": "h", "fillstyle": style, "color": "0.3"}
    if any(each["guaranteed"] for each in rows):
        looks["cap guaranteed"] = _RING
    looks["none better in both"] = _LINE
    return [Line2D([], [], **look) for look in looks.values()], list(looks)


def _name(each: Row) -> str:
    return f"{each['optimizer']} {each['constraint'].replace('_', ' ')} {_strength(each)}".strip()


def _strength(each: Row) -> str:
    if each["w_max"] is not None:
        return f"{each['w_max']:g}"
    return "" if each.get("weight_decay") is None else f"λ{each['weight_decay']:g}"
