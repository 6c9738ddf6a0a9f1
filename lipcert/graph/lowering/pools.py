"""Lowering of pooling and of reductions over axes to windows of entries."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node as FxNode

from lipcert.graph.lowering.arithmetic import entrywise, total
from lipcert.graph.lowering.layers import per_axis
from lipcert.graph.lowering.state import Lower, Lowering, argument, numbered, take
from lipcert.norms.windows import Indices, combine_windows, window_indices
from lipcert.rules.types import Node


def reduction(kind: str) -> Lower:
    """mean, sum, amax or amin over axes (all of them where none are named)."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        node = state.node(fx.args[0])
        windows = _along(node, argument(fx, 1, "dim"))
        if kind in ("mean", "sum"):
            divisor = float(windows.shape[1]) if kind == "mean" else 1.0
            each = torch.full((len(windows),), divisor, dtype=torch.float64)
            return _sum(state, fx, path, node, windows, each)
        return _max(state, fx, path, node, windows, lowest=kind == "amin")

    return lower


def variance(state: Lowering, fx: FxNode, path: str) -> str | None:
    """The sum of squares around the mean over axes, divided by their length less a correction.

    The correction is given, or told by `unbiased`: 1 where it is true, as it is unless told otherwise, else 0.
    """
    node, given = state.node(fx.args[0]), fx.kwargs.get("correction")
    windows = _along(node, argument(fx, 1, "dim"))
    count, length = windows.shape
    correction = float(argument(fx, 2, "unbiased", True)) if given is None else float(given)  # type: ignore[arg-type]
    one, divisor = torch.ones(count, dtype=torch.float64), length - correction
    means = _window_sum(state, fx, path, node, windows, length * one, (count,))
    of_entry = torch.empty(node.size, dtype=torch.int64)
    of_entry[windows.flatten()] = torch.arange(count).repeat_interleave(length)
    total(state, fx, path, [(1.0, node), (-1.0, take(state, fx, path, means, of_entry.reshape(node.shape)))])
    squares = entrywise(state, fx, path, state.node(fx), "pow", {"exponent": 2})
    return _sum(state, fx, path, squares, windows, divisor * one)


def _along(node: Node, dim: Any) -> Tensor:
    """For each output the entries that are reduced to it."""
    rank = len(node.shape)
    axes = [dim] if isinstance(dim, int) else list(dim or range(rank))
    last = [axis % rank for axis in axes]
    first = [axis for axis in range(rank) if axis not in last]
    count = math.prod(node.shape[axis] for axis in first)
    return numbered(node).permute(*first, *last).reshape(count, -1)


def _shape(fx: FxNode) -> tuple[int, ...]:
    value = fx.meta["val"]
    return tuple((value[0] if isinstance(value, list | tuple) else value).shape)


def _sum(state: Lowering, fx: FxNode, path: str, node: Node, windows: Tensor, divisor: Tensor) -> str | None:
    if not bool((divisor >= 1).all()):
        return "a divisor below 1"
    _window_sum(state, fx, path, node, windows, divisor, _shape(fx))
    return None


def _window_sum(
    state: Lowering, fx: FxNode, path: str, node: Node, windows: Tensor, divisor: Tensor, shape: tuple[int, ...]
) -> Node:
    consts = {"windows": windows.contiguous(), "divisor": divisor}
    return state.add(fx, path, "window_sum", [node], shape=shape, attrs={"size": node.size}, consts=consts)


def _max(state: Lowering, fx: FxNode, path: str, node: Node, windows: Tensor, *, lowest: bool = False) -> str | None:
    def flip(part: Node) -> Node:
        minus = torch.full((), -1.0, dtype=torch.float64)
        return state.add(fx, path, "scale", [part], shape=part.shape, consts={"factor": minus})

    if windows.shape[1] == 0 or not bool((windows >= 0).any(1).all()):
        return "a maximum over no entries"
    node = flip(node) if lowest else node
    attrs, consts = {"size": node.size}, {"windows": windows.contiguous()}
    done = state.add(fx, path, "window_max", [node], shape=_shape(fx), attrs=attrs, consts=consts)
    if lowest:
        flip(done)
    state.several[fx.name] = [state.names[fx.name]]
    return None


def _join(axes: Sequence[Indices], channels: int, size: Sequence[int]) -> Tensor:
    """Windows over several axes from those of each, (outputs, window), for every channel; -1 is outside."""
    flat = torch.from_numpy(combine_windows(axes, size))
    offsets = torch.arange(channels)[:, None, None] * math.prod(size)
    return torch.where(flat < 0, -1, flat + offsets).reshape(-1, flat.shape[1])


def _adaptive(length: int, outputs: int) -> Indices:
    """Output i of an adaptive pool covers ⌊i·n/o⌋ up to ⌈(i+1)·n/o⌉."""
    rows = [range(i * length // outputs, -(-(i + 1) * length // outputs)) for i in range(outputs)]
    width = max(len(row) for row in rows)
    return np.array([[*row, *[-1] * (width - len(row))] for row in rows])


def _split(node: Node, axes: int) -> tuple[int, tuple[int, ...]]:
    size = node.shape[-axes:]
    return node.size // math.prod(size), size


def max_pool(axes: int) -> Lower:
    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        node = state.node(fx.args[0])
        dilation = per_axis(argument(fx, 4, "dilation", 1), axes)
        return _max(state, fx, path, node, _pooled(node, fx, axes, dilation))

    return lower


def _pooled(node: Node, fx: FxNode, axes: int, dilation: list[int]) -> Tensor:
    """The windows of a pool with kernel, stride and padding in torch's places."""
    kernel = per_axis(fx.args[1], axes)
    stride = per_axis(argument(fx, 2, "stride") or kernel, axes)
    padding = per_axis(argument(fx, 3, "padding", 0), axes)
    channels, size = _split(node, axes)
    rows = zip(size, kernel, stride, padding, dilation, _shape(fx)[-axes:], strict=True)
    sliding = [window_indices(n, k, s, (p, p), d, outputs) for n, k, s, p, d, outputs in rows]
    return _join(sliding, channels, size)


def average_pool(axes: int) -> Lower:
    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        node, target = state.node(fx.args[0]), fx.target
        windows = _pooled(node, fx, axes, [1] * axes)
        # Ones averaged give (entries inside)/divisor, whatever torch counts: the divisor is read off that.
        inside = (windows >= 0).sum(1).double()
        ones = torch.ones(node.shape, dtype=torch.float64)
        mean = target(ones, *fx.args[1:], **fx.kwargs).flatten()  # type: ignore[operator]
        return _sum(state, fx, path, node, windows, torch.where(inside > 0, (inside / mean).round(), 1.0))

    return lower


def adaptive_pool(axes: int, kind: str) -> Lower:
    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        node = state.node(fx.args[0])
        channels, size = _split(node, axes)
        covered = [_adaptive(n, o) for n, o in zip(size, _shape(fx)[-axes:], strict=True)]
        windows = _join(covered, channels, size)
        if kind == "max":
            return _max(state, fx, path, node, windows)
        return _sum(state, fx, path, node, windows, (windows >= 0).sum(1).double())

    return lower
