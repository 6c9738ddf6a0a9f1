"""Generated nodes of the operations that bend."""

import math
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st

from lipcert.rules.pointwise import POINTWISE
from tests.soundness.rule_cases.drawn import (
    BOUNDED,
    Case,
    Draw,
    case,
    mask,
    numbers,
    pair,
    positive,
    reach,
    shape,
    size,
    windows,
)


def window_max(draw: Draw) -> Case:
    before = shape(draw)
    index = windows(draw, math.prod(before))
    attrs = {"size": math.prod(before)}
    return case("window_max", {"x": reach(draw, before)}, (1, len(index)), attrs=attrs, consts={"windows": index})


def product(draw: Draw) -> Case:
    whole = shape(draw)
    inputs, order = pair(draw, [whole, whole], f"{BOUNDED} box box everywhere")
    return case("product", inputs, whole, order=order)


def matmul(draw: Draw) -> Case:
    n, k, m = (size(draw) for _ in range(3))
    lead = (1, *([size(draw, 2)] if draw(st.booleans()) else []))
    inputs, order = pair(draw, [(*lead, n, k), (*lead, k, m)], f"{BOUNDED} box box half")
    return case("matmul", inputs, (*lead, n, m), order=order)


def extremum(draw: Draw) -> Case:
    whole = shape(draw)
    inputs, order = pair(draw, [whole, whole], "everywhere box half point mixed far")
    return case("extremum", inputs, whole, order=order, attrs={"kind": draw(st.sampled_from(("max", "min")))})


PARAMETERS: dict[str, dict[str, tuple[Any, ...]]] = {
    "leaky_relu": {"negative_slope": (0.01, 0.0, -0.5, 1.0, 3.0)},
    "hardtanh": {"min_val": (-1.0, -3.0), "max_val": (0.5, 2.0)},
    "clamp": {"min": (None, -1.0, 0.25), "max": (None, 0.5, 2.0)},
    "softshrink": {"lambd": (0.0, 0.5)},
    "elu": {"alpha": (1.0, 0.5, 2.5)},
    "celu": {"alpha": (1.0, 0.3, 4.0)},
    "softplus": {"beta": (1.0, 5.0)},
    "pow": {"exponent": (2, 3, 6)},
}
PARTIAL = {"log", "log1p", "sqrt", "rsqrt", "reciprocal"}
"""Defined on part of the line only: attacked on boxes to the right of 0, and on one that touches it."""


def entrywise(draw: Draw) -> Case:
    name, whole = draw(st.sampled_from(sorted(POINTWISE))), shape(draw, 2)
    parameters = {key: draw(st.sampled_from(values)) for key, values in PARAMETERS.get(name, {}).items()}
    if name == "leaky_relu" and draw(st.booleans()):  # a slope an entry of the last axis
        parameters["negative_slope"] = numbers(draw, whole[-1]).clamp(-1e3, 1e3).tolist()
    known = reach(draw, whole)
    if name in PARTIAL:
        known = positive(known, draw(st.sampled_from((0.0, 0.1, 2.0))))
    return case("entrywise", {"x": known}, whole, attrs={"function": name, "parameters": parameters})


def normalise(draw: Draw) -> Case:
    groups, features = size(draw, 2), size(draw, 5)
    eps = draw(st.sampled_from((0.0, 1e-12, 1e-5, 1e-5, 0.1)))
    known = reach(draw, (1, groups, features))
    if eps == 0:  # undefined at 0
        known = positive(known, 0.3)
    attrs = {"features": features, "eps": eps, "centred": eps > 0 and draw(st.booleans())}
    return case("normalise", {"x": known}, (1, groups, features), attrs=attrs)


def along_axis(op: str) -> Callable[[Draw], Case]:
    def of(draw: Draw) -> Case:
        whole = shape(draw, 3, 5)
        axis = draw(st.integers(1, len(whole) - 1)) - len(whole)
        kept = [*whole[:axis], 1, *whole[len(whole) + axis + 1 :]] if op == "logsumexp" else whole
        attrs = {"axis": axis, "length": whole[axis]}
        masked = op == "softmax" and draw(st.booleans())
        return case(op, {"x": reach(draw, whole)}, kept, attrs=attrs, consts=mask(draw, whole, axis) if masked else {})

    return of


def attention(draw: Draw) -> Case:
    """As many values as keys, of any width; several heads of queries for one of keys; masks with no empty row."""
    heads, group = draw(st.integers(0, 2)), size(draw, 2)
    queries, keys, width, read = (size(draw, most) for most in (3, 3, 2, 2))
    lead = (1, heads) if heads else (1,)
    many = (1, heads * group) if heads else (1,)
    kinds = f"{BOUNDED} box box half"
    known = {
        "q": reach(draw, (*many, queries, width), kinds),
        "k": reach(draw, (*lead, keys, width), kinds),
        "v": reach(draw, (*lead, keys, read), kinds),
    }
    alike = queries == keys and width == read and many == lead
    order = ["q", "q", "q"] if alike and draw(st.booleans()) else ["q", "k", "v"]
    consts = {}
    if draw(st.booleans()):
        consts["keep"] = torch.ones(queries, keys, dtype=torch.bool).tril()
    elif draw(st.booleans()):
        consts |= mask(draw, (*many, queries, keys), -1)
    if draw(st.booleans()):
        consts["bias"] = numbers(draw, *many[1:], queries, keys).clamp(-50, 50)
        if draw(st.booleans()):
            consts["filled"] = mask(draw, (*many, queries, keys), -1)["keep"]
    attrs = {"scale": draw(st.sampled_from((1.0, 0.3, -2.0, 1e-3, 25.0))), "group": group if heads else 1}
    inputs = {name: known[name] for name in dict.fromkeys(order)}
    return case("attention", inputs, (*many, queries, read), order=order, attrs=attrs, consts=consts)
