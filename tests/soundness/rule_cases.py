"""Generated nodes of every core operation, with enclosures of their inputs, for the grid of rules.

`CASES` has a strategy for each key of RULES, `SHARP` a node whose bound is all but attained.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from lipcert.rules.groups import Groups, labelled, rows, whole
from lipcert.rules.pointwise import POINTWISE
from lipcert.rules.types import Node, Reach

Draw = Callable[[st.SearchStrategy[Any]], Any]
INF = math.inf


@dataclass(frozen=True)
class Case:
    """A node, and for each of its distinct inputs the shape and what is known of its values."""

    node: Node
    reaches: dict[str, Reach]
    spread: float = 1.0


# What shapes, weights and enclosures are made of.


def numbers(draw: Draw, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Weights of several kinds: spread out, clustered, of rank one, with zeros, all zero, tiny or huge."""
    kind = draw(st.sampled_from(("normal", "normal", "positive", "zeros", "sparse", "rank one", "signs", "far apart")))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    if kind == "positive":
        x = x.abs()
    elif kind == "zeros":
        x = x * 0
    elif kind == "sparse":
        x = x * (torch.rand(shape, generator=generator) < 0.4)
    elif kind == "rank one" and len(shape) > 1:
        x = x[:1] * torch.randn(shape[0], *[1] * (len(shape) - 1), generator=generator, dtype=torch.float64)
    elif kind == "signs":
        x = x.sign()
    elif kind == "far apart":
        x = x * 10.0 ** torch.randint(-6, 7, shape, generator=generator)
    return (x * draw(st.sampled_from((1.0, 1.0, 1.0, 1e-30, 1e30)))).to(dtype)


def size(draw: Draw, most: int = 4) -> int:
    return int(draw(st.integers(1, most)))


def shape(draw: Draw, axes: int = 3, most: int = 4) -> tuple[int, ...]:
    """With the leading 1 of the batch."""
    return (1, *(size(draw, most) for _ in range(draw(st.integers(1, axes)))))


def reach(draw: Draw, shape: Sequence[int], kinds: str = "everywhere box half point mixed far") -> Reach:
    """Everywhere, a box, a half-infinite one, a point, any of these an entry, or a box far from 0."""
    kind = draw(st.sampled_from(kinds.split()))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    centre, radius = rng.normal(size=shape), rng.uniform(0, 2, size=shape)
    if kind == "far":
        centre = centre * 50
    lo, hi = centre - radius, centre + radius
    picks = {"everywhere": 0, "box": 1, "far": 1, "half": 2, "point": 3}
    choice = rng.integers(0, 5, size=shape) if kind == "mixed" else np.full(shape, picks[kind])
    upwards = rng.random(size=shape) < 0.5
    ends = [
        (np.full(shape, -INF), np.full(shape, INF)),
        (lo, hi),
        (np.where(upwards, lo, -INF), np.where(upwards, INF, hi)),
        (centre, centre),
        (lo * 0, hi * 0),
    ]
    return Reach(np.choose(choice, [low for low, _ in ends]), np.choose(choice, [high for _, high in ends]))


def groups(draw: Draw, shape: Sequence[int]) -> Groups:
    """For token norms: a group a row, rows joined, any entries joined, or one group."""
    kind = draw(st.sampled_from(("rows", "rows", "joined", "any", "whole")))
    if kind in ("rows", "whole"):
        return rows(shape) if kind == "rows" else whole(shape)
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    if kind == "any":
        return labelled(rng.integers(0, 3, size=tuple(shape)))
    return labelled(np.broadcast_to(rng.integers(0, 3, size=(*shape[:-1], 1)), tuple(shape)).copy())


def case(
    op: str,
    inputs: dict[str, Reach],
    shape: Sequence[int],
    *,
    order: Sequence[str] = (),
    attrs: dict[str, Any] | None = None,
    consts: dict[str, Tensor] | None = None,
    spread: float = 1.0,
) -> Case:
    node = Node("node", op, tuple(order or inputs), tuple(shape), attrs or {}, consts or {})
    return Case(node, inputs, spread)


# A strategy for every operation.


def linear(draw: Draw) -> Case:
    lead, weight = shape(draw, 2), numbers(draw, size(draw, 6), size(draw, 6), dtype=draw(FLOATS))
    consts = {"weight": weight, **({"offset": numbers(draw, len(weight))} if draw(st.booleans()) else {})}
    return case("linear", {"x": reach(draw, (*lead, weight.shape[1]))}, (*lead, len(weight)), consts=consts)


FLOATS = st.sampled_from((torch.float64, torch.float32))


def conv(draw: Draw) -> Case:
    axes, groups, transposed = draw(st.integers(1, 3)), size(draw, 2), draw(st.booleans())
    most = (6, 4, 3)[axes - 1]
    taps, stride, dilation = ([size(draw, n) for _ in range(axes)] for n in (3, 3, 2))
    padding = [draw(st.integers(0, d * (k - 1))) for d, k in zip(dilation, taps, strict=True)]
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, taps, strict=True)]
    sizes = [max(size(draw, most), 1 if transposed else span - 2 * p) for span, p in zip(spans, padding, strict=True)]
    extra = [draw(st.integers(0, max(s, d) - 1)) if transposed else 0 for s, d in zip(stride, dilation, strict=True)]
    if transposed:  # an output is needed
        sizes = [
            max(n, 1 + -(-(1 + 2 * p - span) // s)) for n, s, p, span in zip(sizes, stride, padding, spans, strict=True)
        ]
    weight = numbers(draw, groups * size(draw, 2), size(draw, 2), *taps, dtype=draw(FLOATS))
    channels = weight.shape[0] if transposed else groups * weight.shape[1]
    attrs = {
        "size": sizes,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "transposed": transposed,
        "output_padding": extra,
    }
    y = torch.convolution(
        torch.zeros(1, channels, *sizes, dtype=weight.dtype),
        weight,
        None,
        stride,
        padding,
        dilation,
        transposed,
        extra,
        groups,
    )
    consts = {"weight": weight}
    if draw(st.booleans()):
        consts["offset"] = numbers(draw, y.shape[1], *[1] * axes)
    return case("conv", {"x": reach(draw, (1, channels, *sizes))}, y.shape, attrs=attrs, consts=consts)


def scale(draw: Draw) -> Case:
    whole = shape(draw)
    narrow = [1 if draw(st.booleans()) else n for n in whole[draw(st.integers(0, len(whole))) :]]
    consts = {"factor": numbers(draw, *narrow), **({"offset": numbers(draw, *narrow)} if draw(st.booleans()) else {})}
    attrs = {"ulps": 8} if draw(st.booleans()) else {}
    return case("scale", {"x": reach(draw, whole)}, whole, attrs=attrs, consts=consts)


def reshape(draw: Draw) -> Case:
    before = shape(draw)
    return case("reshape", {"x": reach(draw, before)}, (1, math.prod(before)), attrs={"from": list(before)})


def gather(draw: Draw) -> Case:
    inputs, order = several(draw, [shape(draw, 2) for _ in range(3)])
    sizes = [inputs[name].lo.size for name in order]
    out = shape(draw, 2, 5)
    places = st.integers(-1, sum(sizes) - 1)
    index = torch.tensor(draw(st.lists(places, min_size=math.prod(out), max_size=math.prod(out)))).reshape(out)
    consts = {"index": index, **({"offset": numbers(draw, *out)} if draw(st.booleans()) else {})}
    return case("gather", inputs, out, order=order, attrs={"sizes": sizes}, consts=consts)


def mix(draw: Draw) -> Case:
    """Any terms at all: the same entry several times in one sum, entries that nothing takes, sums of nothing."""
    before, out = shape(draw), shape(draw)
    terms, count = size(draw), math.prod(out)
    places = st.integers(-1, math.prod(before) - 1)
    index = torch.tensor(draw(st.lists(places, min_size=terms * count, max_size=terms * count))).reshape(terms, *out)
    consts = {"index": index, "factor": numbers(draw, terms, *out)}
    if draw(st.booleans()):
        consts["offset"] = numbers(draw, *out)
    attrs = {"sizes": [math.prod(before)], **({"ulps": 3} if draw(st.booleans()) else {})}
    return case("mix", {"x": reach(draw, before)}, out, attrs=attrs, consts=consts)


def centre(draw: Draw) -> Case:
    whole = shape(draw, 2, 6)
    return case("centre", {"x": reach(draw, whole)}, whole, attrs={"features": whole[-1]})


def several(draw: Draw, shapes: Sequence[Sequence[int]]) -> tuple[dict[str, Reach], list[str]]:
    """Inputs of these shapes; one may stand in several places where the shapes are the same."""
    inputs: dict[str, Reach] = {}
    order = []
    for wanted in shapes[: draw(st.integers(1, len(shapes)))]:
        alike = [name for name, known in inputs.items() if known.lo.shape == tuple(wanted)]
        name = draw(st.sampled_from(alike)) if alike and draw(st.booleans()) else f"x{len(inputs)}"
        inputs.setdefault(name, reach(draw, tuple(wanted)))
        order.append(name)
    return inputs, order


def pair(draw: Draw, shapes: Sequence[Sequence[int]], kinds: str) -> tuple[dict[str, Reach], list[str]]:
    inputs = {f"x{i}": reach(draw, tuple(wanted), kinds) for i, wanted in enumerate(shapes)}
    if tuple(shapes[0]) == tuple(shapes[1]) and draw(st.integers(0, 3)) == 0:
        return {"x0": inputs["x0"]}, ["x0", "x0"]
    return inputs, list(inputs)


def windows(draw: Draw, entries: int) -> Tensor:
    """Any entries at all in each window, one at least."""
    outputs, width = size(draw, 5), size(draw, 4)
    index = torch.tensor(
        draw(st.lists(st.integers(-1, entries - 1), min_size=outputs * width, max_size=outputs * width))
    )
    index = index.reshape(outputs, width)
    index[:, 0] = index[:, 0].clamp_min(0)
    return index


def window_sum(draw: Draw) -> Case:
    before = shape(draw)
    index = windows(draw, math.prod(before))
    divisors = st.lists(st.sampled_from((1.0, 2.0, 3.0, 7.0, -2.0)), min_size=len(index), max_size=len(index))
    consts = {"windows": index, "divisor": torch.tensor(draw(divisors), dtype=draw(FLOATS))}
    attrs = {"size": math.prod(before)}
    return case("window_sum", {"x": reach(draw, before)}, (1, len(index)), attrs=attrs, consts=consts)


def window_max(draw: Draw) -> Case:
    before = shape(draw)
    index = windows(draw, math.prod(before))
    attrs = {"size": math.prod(before)}
    return case("window_max", {"x": reach(draw, before)}, (1, len(index)), attrs=attrs, consts={"windows": index})


def add(draw: Draw) -> Case:
    whole = shape(draw)
    inputs, order = several(draw, [whole] * 3)
    coefficients = [draw(st.sampled_from((1.0, -1.0, 0.5, 0.0, -3.7, 1e-30, 1e30))) for _ in order]
    return case("sum", inputs, whole, order=order, attrs={"coefficients": coefficients})


BOUNDED = "box point far"


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


def positive(known: Reach, least: float) -> Reach:
    """The reach turned over to the right of `least`."""
    lo = np.where(np.isfinite(known.lo), np.abs(known.lo), 0.0) + least
    return Reach(lo, np.where(np.isfinite(known.lo) & np.isfinite(known.hi), lo + (known.hi - known.lo), INF))


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


def mask(draw: Draw, whole: Sequence[int], axis: int) -> dict[str, Tensor]:
    """Some entries of every line along the axis, one at least."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    keep = torch.rand(tuple(whole), generator=generator) < 0.5
    keep.select(axis, draw(st.integers(0, whole[axis] - 1))).fill_(True)
    return {"keep": keep}


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


CASES: dict[str, Callable[[Draw], Case]] = {
    "attention": attention,
    "linear": linear,
    "conv": conv,
    "scale": scale,
    "reshape": reshape,
    "gather": gather,
    "mix": mix,
    "centre": centre,
    "window_sum": window_sum,
    "window_max": window_max,
    "sum": add,
    "product": product,
    "matmul": matmul,
    "extremum": extremum,
    "entrywise": entrywise,
    "normalise": normalise,
    "softmax": along_axis("softmax"),
    "log_softmax": along_axis("log_softmax"),
    "logsumexp": along_axis("logsumexp"),
}


# For every operation a node whose bound the attack all but attains, in both norms.


def known(*shape: int, lo: float = -INF, hi: float = INF) -> dict[str, Reach]:
    return {"x": Reach(np.full(shape, lo), np.full(shape, hi))}


def both(*shape: int, lo: float = -INF, hi: float = INF) -> dict[str, Reach]:
    return {name: Reach(np.full(shape, lo), np.full(shape, hi)) for name in ("x", "y")}


def spread_out(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


CONV = {
    "size": [4, 4],
    "stride": [1, 1],
    "padding": [1, 1],
    "dilation": [1, 1],
    "groups": 1,
    "transposed": False,
    "output_padding": [0, 0],
}

SHARP: dict[str, Case] = {
    "attention": case(
        "attention",
        {
            "q": Reach(np.full((1, 1, 1), -0.3), np.full((1, 1, 1), 0.3)),
            "k": Reach(np.full((1, 2, 1), -0.3), np.full((1, 2, 1), 0.3)),
            "v": Reach(np.full((1, 2, 1), -10.0), np.full((1, 2, 1), 10.0)),
        },
        (1, 1, 1),
        attrs={"scale": 1.0, "group": 1},
    ),
    "linear": case("linear", known(1, 6), (1, 4), consts={"weight": spread_out(4, 6)}),
    "conv": case("conv", known(1, 2, 4, 4), (1, 3, 4, 4), attrs=CONV, consts={"weight": spread_out(3, 2, 3, 3)}),
    "scale": case("scale", known(1, 5), (1, 5), consts={"factor": spread_out(5)}),
    "reshape": case("reshape", known(1, 2, 3), (1, 6), attrs={"from": [1, 2, 3]}),
    "gather": case(
        "gather", known(1, 3), (1, 4), attrs={"sizes": [3]}, consts={"index": torch.tensor([[0, 1, 1, -1]])}
    ),
    "mix": case(
        "mix",
        known(1, 4),
        (1, 4),
        attrs={"sizes": [4]},
        consts={
            "index": torch.tensor([[[0, 1, 2, 3]], [[2, 3, 0, 1]]]),
            "factor": torch.tensor([[[0.8, 0.6, 0.8, 0.6]], [[-0.6, -0.8, 0.6, 0.8]]], dtype=torch.float64),
        },
    ),
    "centre": case("centre", known(1, 2, 4), (1, 2, 4), attrs={"features": 4}),
    "window_sum": case(
        "window_sum",
        known(1, 4),
        (1, 2),
        attrs={"size": 4},
        consts={"windows": torch.tensor([[0, 1], [2, 3]]), "divisor": torch.tensor([2.0, 2.0])},
    ),
    "window_max": case(
        "window_max", known(1, 4), (1, 3), attrs={"size": 4}, consts={"windows": torch.tensor([[0, 1], [0, 2], [0, 3]])}
    ),
    "sum": case("sum", both(1, 3), (1, 3), attrs={"coefficients": [1.0, -2.5]}),
    "product": case("product", both(1, 3, lo=-1.0, hi=1.0), (1, 3)),
    "matmul": case("matmul", both(1, 2, 2, lo=0.0, hi=1.0), (1, 2, 2)),
    "extremum": case("extremum", both(1, 4), (1, 4), attrs={"kind": "max"}),
    "entrywise": case("entrywise", known(1, 2), (1, 2), attrs={"function": "gelu", "parameters": {}}),
    "normalise": case(
        "normalise", known(1, 3, 1), (1, 3, 1), spread=0.01, attrs={"features": 1, "eps": 0.01, "centred": False}
    ),
    "softmax": case("softmax", known(1, 2), (1, 2), attrs={"axis": -1, "length": 2}),
    "log_softmax": case("log_softmax", known(1, 4), (1, 4), attrs={"axis": -1, "length": 4}, spread=20.0),
    "logsumexp": case("logsumexp", known(1, 4), (1, 1), attrs={"axis": -1, "length": 4}, spread=20.0),
}
