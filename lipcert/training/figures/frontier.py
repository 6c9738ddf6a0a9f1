"""The frontier: how good networks are against how small a bound is proved of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

from lipcert.training.figures.style import SMALL, colour, legend_below, panels, powers

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

_SIZE, _RING = 7, 13


@dataclass(frozen=True)
class Point:
    """A run. log10_bound: of what is proved of the network; None where it has no finite bound."""

    optimizer: str
    constraint: str
    w_max: float | None
    validation_loss: float
    log10_bound: float | None
    guaranteed: bool


def point(found: Mapping[str, Any]) -> Point:
    """Of the JSON of a training run; of several bounds, the first."""
    recipe, bounds = found["recipe"], found["bounds"]
    return Point(
        recipe["optimizer"],
        recipe["constraint"],
        recipe.get("w_max"),
        found["results"]["validation_loss"],
        bounds[0]["log10_upper"] if bounds else None,
        found["guarantee"]["holds"],
    )


def pareto(points: Sequence[Point]) -> list[Point]:
    """Those to which no other is better in one and as good in the other, by ascending bound."""
    best: list[Point] = []
    bounded = [each for each in points if each.log10_bound is not None]
    for each in sorted(bounded, key=lambda each: (each.log10_bound, each.validation_loss)):
        if not best or each.validation_loss < best[-1].validation_loss:
            best.append(each)
    return best


def frontier(points: Sequence[Point]) -> "Figure":
    """Validation loss against the proved bound: a shape a constraint, a fill an optimiser, a ring where the cap is
    guaranteed, w_max beside it; a line through those that none beats. Runs without a finite bound are named below.
    """
    figure, (axis,) = panels(1, 1, width=6.8, height=5.0)
    best = pareto(points)
    reached: list[Any] = [each.log10_bound for each in best]
    axis.step(reached, [each.validation_loss for each in best], where="post", color="0.55", linewidth=1.2, zorder=1)
    for each in points:
        if each.log10_bound is not None:
            _draw(axis, each.log10_bound, each)
    powers(axis.xaxis)
    unbounded = [f"{_name(each)} ({each.validation_loss:.3g})" for each in points if each.log10_bound is None]
    note = fill(f"no finite bound, with validation loss: {', '.join(unbounded)}", 90) if unbounded else ""
    axis.set_xlabel("\n".join(filter(None, ["proved Lipschitz bound", note])))
    axis.set_ylabel("validation loss")
    legend_below(figure, *_legend(points))
    return figure


def _draw(axis: "Axes", x: float, each: Point) -> None:
    axis.plot([x], [each.validation_loss], zorder=3, **_look(each.constraint, each.optimizer))
    if each.guaranteed:
        axis.plot([x], [each.validation_loss], zorder=2, **_ring())
    if each.w_max is not None:
        place: dict[str, Any] = {"xytext": (7, 4), "textcoords": "offset points"}
        axis.annotate(f"{each.w_max:g}", (x, each.validation_loss), fontsize=SMALL - 2, color="0.35", **place)


def _look(constraint: str, optimizer: str) -> dict[str, Any]:
    number = list(SHAPES).index(constraint)
    larger = 1.5 if SHAPES[constraint] == "*" else 1.0
    return {
        "marker": SHAPES[constraint],
        "fillstyle": FILLS[optimizer],
        "color": colour(number),
        "markersize": _SIZE * larger,
        "linestyle": "",
    }


def _ring() -> dict[str, Any]:
    return {"marker": "o", "fillstyle": "none", "color": "0.3", "markersize": _RING, "linestyle": "", "mew": 0.8}


def _legend(points: Sequence[Point]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    constraints = [name for name in SHAPES if any(each.constraint == name for each in points)]
    looks = {name.replace("_", " "): _look(name, "muon") for name in constraints}
    for optimizer, style in FILLS.items():
        if any(each.optimizer == optimizer for each in points):
            looks[optimizer] = {"marker": "h", "fillstyle": style, "color": "0.3", "markersize": _SIZE, "linestyle": ""}
    if any(each.guaranteed for each in points):
        looks["cap guaranteed"] = _ring()
    looks["none better in both"] = {"color": "0.55", "linewidth": 1.2}
    return [Line2D([], [], **look) for look in looks.values()], list(looks)


def _name(each: Point) -> str:
    cap = "" if each.w_max is None else f" {each.w_max:g}"
    return f"{each.optimizer} {each.constraint.replace('_', ' ')}{cap}"
