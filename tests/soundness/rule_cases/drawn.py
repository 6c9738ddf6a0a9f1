"""What the nodes are made of: shapes, weights, enclosures and groups, drawn by Hypothesis."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from lipcert.rules.groups import Groups, labelled, rows, whole
from lipcert.rules.types import Node, Reach

Draw = Callable[[st.SearchStrategy[Any]], Any]
INF = math.inf


@dataclass(frozen=True)
class Case:
    """A node, and for each of its distinct inputs the shape and what is known of its values."""

    node: Node
    reaches: dict[str, Reach]
    spread: float = 1.0


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


FLOATS = st.sampled_from((torch.float64, torch.float32))

BOUNDED = "box point far"


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


def positive(known: Reach, least: float) -> Reach:
    """The reach turned over to the right of `least`."""
    lo = np.where(np.isfinite(known.lo), np.abs(known.lo), 0.0) + least
    return Reach(lo, np.where(np.isfinite(known.lo) & np.isfinite(known.hi), lo + (known.hi - known.lo), INF))


def groups(draw: Draw, shape: Sequence[int]) -> Groups:
    """For token norms: a group a row, rows joined, any entries joined, or one group."""
    kind = draw(st.sampled_from(("rows", "rows", "joined", "any", "whole")))
    if kind in ("rows", "whole"):
        return rows(shape) if kind == "rows" else whole(shape)
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    if kind == "any":
        return labelled(rng.integers(0, 3, size=tuple(shape)))
    return labelled(np.broadcast_to(rng.integers(0, 3, size=(*shape[:-1], 1)), tuple(shape)).copy())


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


def mask(draw: Draw, whole: Sequence[int], axis: int) -> dict[str, Tensor]:
    """Some entries of every line along the axis, one at least."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    keep = torch.rand(tuple(whole), generator=generator) < 0.5
    keep.select(axis, draw(st.integers(0, whole[axis] - 1))).fill_(True)
    return {"keep": keep}
