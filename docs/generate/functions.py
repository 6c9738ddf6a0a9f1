"""One page of the entrywise functions: the theorem, what is proved of slope and range, and a picture of both."""

import io
import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from generate.prose import plain
from lipcert.rules.pointwise import POINTWISE, Pointwise

EXAMPLES: dict[str, dict[str, Any]] = {"clamp": {"min": -1.0, "max": 1.0}, "pow": {"exponent": 2}}
"""Parameters without a default, for the picture and the numbers."""

LEFT, RIGHT = {"log": 0.05, "log1p": -0.95, "sqrt": 0.01, "rsqrt": 0.1, "reciprocal": 0.1}, 4.0
GREY, BLUE, ORANGE = "#808080", "#3b8fd6", "#d55e00"


def pages() -> dict[str, str]:
    made = {f"theory/{name}.svg": picture(name, function) for name, function in POINTWISE.items()}
    return made | {"theory/functions.md": page()}


def page() -> str:
    text = [
        "# Entrywise functions",
        "A function φ that acts on every entry alone has a gain of its steepest secant slope on the interval that its "
        "input can reach ([entrywise](entrywise.md)). φ is absolutely continuous, so every secant slope lies in the "
        "hull of φ′ there, and φ′ is monotone between the turns that the theorem names. The numbers are rounded "
        "outward; those below hold on the interval that is named, which is all of R where nothing limits it.",
        "Solid: φ. Dashed: φ′. The band holds the slopes that are proved on each of 64 intervals.",
    ]  # fmt: skip
    return "\n\n".join([*text, *(_section(name, each) for name, each in POINTWISE.items())]) + "\n"


def _section(name: str, function: Pointwise) -> str:
    if not function.source:
        raise ValueError(f"the function {name!r} has no theorem: its `source`")
    low, high = _domain(name, function)
    given = EXAMPLES.get(name, {})
    slopes = _interval(*function.slopes(np.array(low), np.array(high), **given))
    values = _interval(*function.range(np.array(low), np.array(high), **given))
    with_ = f", with {', '.join(f'{key} = {value:g}' for key, value in given.items())}" if given else ""
    return "\n\n".join(
        [
            f"## {name}",
            plain(function.source) + ".",
            f"On {_interval(np.array(low), np.array(high))}{with_}: slopes in {slopes}, values in {values}.",
            f"![{name} and its slope, with the slopes that are proved on short intervals]({name}.svg)",
        ]
    )


def _domain(name: str, function: Pointwise) -> tuple[float, float]:
    """All of R where that gives a finite slope, else an interval that does."""
    given = EXAMPLES.get(name, {})
    slopes = function.slopes(np.array(-np.inf), np.array(np.inf), **given)
    if all(math.isfinite(float(end)) for end in slopes):
        return -math.inf, math.inf
    return LEFT.get(name, -RIGHT), RIGHT


def _interval(low: Any, high: Any) -> str:
    left, right = ("(" if float(low) == -math.inf else "["), (")" if float(high) == math.inf else "]")
    return plain(f"{left}{_number(float(low), -1)}, {_number(float(high), 1)}{right}")


def _number(value: float, outward: int) -> str:
    """To seven digits, rounded outward."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "-∞"
    if value == 0 or f"{value:.7g}" == f"{value!r}".removesuffix(".0"):
        return f"{value:g}" if value else "0"
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 6)
    return f"{(math.ceil(value / unit) if outward > 0 else math.floor(value / unit)) * unit:.7g}"


def picture(name: str, function: Pointwise) -> str:
    """φ, φ' and the enclosures of secant slopes, as SVG whose lines show on light and dark ground."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    given, left = EXAMPLES.get(name, {}), LEFT.get(name, -RIGHT)
    x = np.linspace(left, RIGHT, 65)
    slopes = [function.slopes(np.array(a), np.array(b), **given) for a, b in pairwise(x)]
    t = torch.linspace(left, RIGHT, 801, dtype=torch.float64, requires_grad=True)
    value = function.forward(t, **given)
    [slope] = torch.autograd.grad(value.sum(), t)
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "text.color": GREY}):
        figure = Figure(figsize=(4.6, 2.4), layout="constrained")
        axis = figure.subplots()
        axis.stairs([float(high) for _, high in slopes], x, baseline=[float(low) for low, _ in slopes], fill=True,
                    color=ORANGE, alpha=0.35, label="slopes proved")  # fmt: skip
        axis.plot(t.detach(), value.detach(), color=BLUE, label="φ")
        axis.plot(t.detach(), slope, "--", color=ORANGE, label="φ′")
        axis.set_ylim(max(axis.get_ylim()[0], -6), min(axis.get_ylim()[1], 6))
        axis.set_xlabel("x")
        _greyed(axis)
        axis.legend(frameon=False, fontsize=8, labelcolor=GREY)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return written.getvalue()


def _greyed(axis: Any) -> None:
    axis.grid(visible=True, linewidth=0.3, color=GREY)
    axis.tick_params(colors=GREY, labelsize=8)
    axis.xaxis.label.set_color(GREY)
    for spine in axis.spines.values():
        spine.set_color(GREY)
