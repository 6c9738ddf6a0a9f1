"""Operations that move, repeat and drop entries, and those that know shapes."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lipcert.checkpoint import memory
from lipcert.checkpoint.onnx.ops.call import Call, Inputs, number
from lipcert.errors import UnsupportedError


def reshape(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    sizes = call.ints(1, "shape") or []
    if not call["allowzero"]:
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def flatten(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    axis = call["axis"] % x.dim() if call["axis"] < 0 else call["axis"]
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def squeeze(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    axes = call.ints(1, "axes") or None
    gone = range(x.dim()) if axes is None else [axis % x.dim() for axis in axes]
    if axes is not None and any(x.shape[axis] != 1 for axis in gone):
        raise ValueError(f"axes {axes} of {tuple(x.shape)} are not of size 1")
    return x.reshape([size for i, size in enumerate(x.shape) if size != 1 or i not in gone])


def unsqueeze(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    axes = call.ints(1, "axes") or []
    rank = x.dim() + len(axes)
    new, old = {axis % rank for axis in axes}, iter(x.shape)
    return x.reshape([1 if axis in new else next(old) for axis in range(rank)])


def transpose(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    return x.permute(call["perm"] or list(reversed(range(x.dim()))))


def concat(call: Call, inputs: Inputs) -> Tensor:
    return torch.cat(list(inputs), call["axis"])


def split(call: Call, inputs: Inputs) -> tuple[Tensor, ...]:
    """By sizes, or into as many parts as there are outputs, the last of which may be shorter."""
    x: Tensor = inputs[0]
    axis = call["axis"]
    sizes = call.ints(1, "split")
    if sizes is None:
        length = x.shape[axis]
        each = -(-length // call["outputs"])
        sizes = [min(each, length - start) for start in range(0, length, each)]
    return torch.split(x, sizes, axis)


def slices(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    starts, ends = call.ints(1, "starts") or [], call.ints(2, "ends") or []
    axes, steps = call.ints(3, "axes"), call.ints(4)
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        first = max(start, -x.shape[axis])  # backwards from before the first entry, ONNX begins at the first
        taken = range(*slice(first, end, step).indices(x.shape[axis]))
        x = _taken(x, axis % x.dim(), taken)
    return x


def _taken(x: Tensor, axis: int, taken: range) -> Tensor:
    if taken.step > 0:
        return x[(slice(None),) * axis + (slice(taken.start, max(taken.stop, taken.start), taken.step),)]
    backwards = taken[::-1]
    return _taken(x, axis, backwards).flip(axis) if len(taken) else x.narrow(axis, 0, 0)


def gather(call: Call, inputs: Inputs) -> Tensor:
    """Rows of a table by ids are an embedding; indices that are known pick entries."""
    x: Tensor = inputs[0]
    ids: Tensor = inputs[1]
    axis = call["axis"] % x.dim()
    if 1 not in call.known:
        if axis == 0 and x.dim() == 2:
            return F.embedding(ids, x)
        return _picked(x, axis, ids)
    known = call.known[1]
    if isinstance(known, int):
        return x.select(axis, known)
    return _picked(x, axis, torch.tensor(known, dtype=torch.int64) % x.shape[axis])


def _picked(x: Tensor, axis: int, ids: Tensor) -> Tensor:
    picked = torch.index_select(x, axis, ids.reshape(-1))
    return picked.reshape([*x.shape[:axis], *ids.shape, *x.shape[axis + 1 :]])


def expand(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    shape = torch.broadcast_shapes(x.shape, call.ints(1) or [])  # type: ignore[no-untyped-call]
    _require(shape, x.dtype)
    return x.expand(shape)


def tile(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    repeats = call.ints(1) or []
    _require([size * count for size, count in zip(x.shape, repeats, strict=True)], x.dtype)
    return x.repeat(repeats) if repeats else x


def pad(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    pads, axes = call.ints(1, "pads") or [], call.ints(3)
    axes = list(range(x.dim())) if axes is None else [axis % x.dim() for axis in axes]
    ends = {axis: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    _require([n + sum(ends.get(axis, (0, 0))) for axis, n in enumerate(x.shape)], x.dtype)
    mode = call["mode"] or "constant"
    if mode != "constant":
        for axis, (before, after) in ends.items():
            if before or after:
                where = [_source(mode, i, x.shape[axis]) for i in range(-before, x.shape[axis] + after)]
                x = torch.index_select(x, axis, torch.tensor(where, dtype=torch.int64))
        return x
    value = number(call.known[2]) if 2 in call.known else call["value"] or 0
    flat = [width for axis in reversed(range(x.dim())) for width in ends.get(axis, (0, 0))]
    return F.pad(x, flat, value=value) if any(flat) else x


def _source(mode: str, place: int, size: int) -> int:
    """Which entry stands at a place outside of an axis."""
    if mode == "wrap":
        return place % size
    if mode == "edge":
        return min(max(place, 0), size - 1)
    if mode != "reflect":
        raise UnsupportedError(f"padding {mode!r}")
    period = max(2 * size - 2, 1)
    return min(place % period, period - place % period) if size > 1 else 0


def shape(call: Call, inputs: Inputs) -> Tensor:
    sizes = list(inputs[0].shape)
    return torch.tensor(sizes[call["start"] or 0 : call["end"]], dtype=torch.int64)


def size(call: Call, inputs: Inputs) -> Tensor:
    return torch.tensor(inputs[0].numel())


def constant_of_shape(call: Call, inputs: Inputs) -> Tensor:
    sizes, value = call.ints(0) or [], call["value"]
    filling = 0.0 if value is None else value.item()
    dtype = call.dtype or torch.float32
    _require(sizes, dtype)
    return torch.full(sizes, filling, dtype=dtype)


def steps(call: Call, inputs: Inputs) -> Tensor:
    start, limit, delta = (number(call.known[place]) for place in range(3))
    count = max(math.ceil((limit - start) / delta), 0)
    _require([count], torch.float64)
    return torch.arange(count).mul(delta).add(start)


def triangle(call: Call, inputs: Inputs) -> Tensor:
    diagonal = int(number(call.known[1])) if 1 in call.known else 0
    x: Tensor = inputs[0]
    return torch.triu(x, diagonal) if call["upper"] else torch.tril(x, diagonal)


def depth_to_space(call: Call, inputs: Inputs) -> Tensor:
    """Channels as (block, block, C) or, in mode CRD, as (C, block, block)."""
    x: Tensor = inputs[0]
    block = call["blocksize"]
    n, channels, high, wide = x.shape
    if call["mode"] == "CRD":
        return F.pixel_shuffle(x, block)
    parts = x.reshape(n, block, block, channels // block**2, high, wide).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, channels // block**2, high * block, wide * block)


def space_to_depth(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    block = call["blocksize"]
    n, channels, high, wide = x.shape
    parts = x.reshape(n, channels, high // block, block, wide // block, block).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, channels * block**2, high // block, wide // block)


def _require(sizes: Sequence[int], dtype: torch.dtype) -> None:
    memory.require(math.prod(sizes) * dtype.itemsize, f"a tensor of shape {tuple(sizes)}")
