"""Lowering of pooling and of reductions over axes to windows of entries."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.fx import Node as FxNode

from lipcert.graph.lowering.state import Lower, Lowering, argument
from lipcert.rules.types import Node


def reduction(kind: str) -> Lower:
    """mean, sum, amax or amin over axes (all of them where none are named)."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        node = state.node(fx.args[0])  # type: ignore[arg-type]
        axes = argument(fx, 1, "dim")
        axes = range(len(node.shape)) if axes is None or axes == [] else [axes] if isinstance(axes, int) else axes
        last = [axis % len(node.shape) for axis in axes]
        first = [axis for axis in range(len(node.shape)) if axis not in last]
        entries = torch.arange(node.size).reshape(node.shape).permute(*first, *last)
        windows = entries.reshape(entries.shape[: len(first)].numel(), -1)
        shape = _shape(fx)
        if kind in ("mean", "sum"):
            divisor = float(windows.shape[1]) if kind == "mean" else 1.0
            _sum(state, fx, path, node, windows, torch.full((len(windows),), divisor), shape)
        else:
            _max(state, fx, path, node, windows, shape, lowest=kind == "amin")
        return None

    return lower


def _shape(fx: FxNode) -> tuple[int, ...]:
    value = fx.meta["val"]
    return tuple((value[0] if isinstance(value, list | tuple) else value).shape)


def _sum(
    state: Lowering, fx: FxNode, path: str, node: Node, windows: Tensor, divisor: Tensor, shape: Sequence[int]
) -> None:
    consts = {"windows": windows.contiguous(), "divisor": divisor}
    state.add(fx, path, "window_sum", [node], shape=shape, attrs={"size": node.size}, consts=consts)


def _max(
    state: Lowering, fx: FxNode, path: str, node: Node, windows: Tensor, shape: Sequence[int], *, lowest: bool = False
) -> None:
    def flip(part: Node) -> Node:
        minus = torch.full((), -1.0)
        return state.add(fx, path, "scale", [part], shape=part.shape, consts={"factor": minus})

    node = flip(node) if lowest else node
    consts = {"windows": windows.contiguous()}
    done = state.add(fx, path, "window_max", [node], shape=shape, attrs={"size": node.size}, consts=consts)
    if lowest:
        flip(done)
    state.several[fx.name] = [state.names[fx.name]]


def _join(axes: Sequence[Tensor], channels: int, size: Sequence[int]) -> Tensor:
    """Windows over several axes from those of each, (outputs, window), for every channel; -1 is outside."""
    flat, count = torch.zeros(1, 1, dtype=torch.long), 1
    for windows, length in zip(axes, size, strict=True):
        outside = (flat < 0)[:, None, :, None] | (windows < 0)[None, :, None, :]
        joined = flat[:, None, :, None] * length + windows[None, :, None, :]
        joined = torch.where(outside, -1, joined)
        flat = joined.reshape(flat.shape[0] * windows.shape[0], -1)
        count *= length
    offsets = torch.arange(channels)[:, None, None] * count
    return torch.where(flat < 0, -1, flat + offsets).reshape(-1, flat.shape[1])


def _sliding(length: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    starts = torch.arange(outputs)[:, None] * stride - padding
    places = starts + torch.arange(kernel)[None] * dilation
    return torch.where((places < 0) | (places >= length), -1, places)


def _adaptive(length: int, outputs: int) -> Tensor:
    """Output i of an adaptive pool covers ⌊i·n/o⌋ up to ⌈(i+1)·n/o⌉."""
    rows = [range(i * length // outputs, -(-(i + 1) * length // outputs)) for i in range(outputs)]
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[-1] * (width - len(row))] for row in rows])


def _spread(value: object, axes: int) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values * axes if len(values) == 1 else values  # type: ignore[return-value]


def _split(node: Node, axes: int) -> tuple[int, tuple[int, ...]]:
    size = node.shape[-axes:]
    return node.size // torch.Size(size).numel(), size


def max_pool(axes: int) -> Lower:
    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        node, shape = state.node(fx.args[0]), _shape(fx)  # type: ignore[arg-type]
        kernel = _spread(fx.args[1], axes)
        stride = _spread(argument(fx, 2, "stride") or kernel, axes)
        padding, dilation = (_spread(argument(fx, i, n, d), axes) for i, n, d in ((3, "padding", 0), (4, "dilation", 1)))
        channels, size = _split(node, axes)
        sliding = [_sliding(*row) for row in zip(size, shape[-axes:], kernel, stride, padding, dilation, strict=True)]
        _max(state, fx, path, node, _join(sliding, channels, size), shape)
        return None

    return lower


def average_pool(axes: int) -> Lower:
    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        node, shape = state.node(fx.args[0]), _shape(fx)  # type: ignore[arg-type]
        kernel = _spread(fx.args[1], axes)
        stride = _spread(argument(fx, 2, "stride") or kernel, axes)
        padding = _spread(argument(fx, 3, "padding", 0), axes)
        channels, size = _split(node, axes)
        ones = [1] * axes
        sliding = [_sliding(*row) for row in zip(size, shape[-axes:], kernel, stride, padding, ones, strict=True)]
        windows = _join(sliding, channels, size)
        # Ones averaged give (entries inside)/divisor, whatever torch counts: the divisor is read off that.
        inside = (windows >= 0).sum(1).double()
        mean = fx.target(torch.ones(node.shape, dtype=torch.float64), *fx.args[1:], **fx.kwargs).flatten()  # type: ignore[operator]
        _sum(state, fx, path, node, windows, torch.where(inside > 0, (inside / mean).round(), 1.0), shape)
        return None

    return lower


def adaptive_pool(axes: int, kind: str) -> Lower:
    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        node, shape = state.node(fx.args[0]), _shape(fx)  # type: ignore[arg-type]
        channels, size = _split(node, axes)
        windows = _join([_adaptive(n, o) for n, o in zip(size, shape[-axes:], strict=True)], channels, size)
        if kind == "max":
            _max(state, fx, path, node, windows, shape)
        else:
            _sum(state, fx, path, node, windows, (windows >= 0).sum(1).double(), shape)
        return None

    return lower
