"""Generated nodes of the linear operations."""

import math

import torch
from hypothesis import strategies as st

from tests.soundness.rule_cases.drawn import (
    FLOATS,
    Case,
    Draw,
    case,
    numbers,
    reach,
    several,
    shape,
    size,
    windows,
)


def linear(draw: Draw) -> Case:
    lead, weight = shape(draw, 2), numbers(draw, size(draw, 6), size(draw, 6), dtype=draw(FLOATS))
    consts = {"weight": weight, **({"offset": numbers(draw, len(weight))} if draw(st.booleans()) else {})}
    return case("linear", {"x": reach(draw, (*lead, weight.shape[1]))}, (*lead, len(weight)), consts=consts)


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


def window_sum(draw: Draw) -> Case:
    before = shape(draw)
    index = windows(draw, math.prod(before))
    divisors = st.lists(st.sampled_from((1.0, 2.0, 3.0, 7.0, -2.0)), min_size=len(index), max_size=len(index))
    consts = {"windows": index, "divisor": torch.tensor(draw(divisors), dtype=draw(FLOATS))}
    attrs = {"size": math.prod(before)}
    return case("window_sum", {"x": reach(draw, before)}, (1, len(index)), attrs=attrs, consts=consts)


def add(draw: Draw) -> Case:
    whole = shape(draw)
    inputs, order = several(draw, [whole] * 3)
    coefficients = [draw(st.sampled_from((1.0, -1.0, 0.5, 0.0, -3.7, 1e-30, 1e30))) for _ in order]
    return case("sum", inputs, whole, order=order, attrs={"coefficients": coefficients})
