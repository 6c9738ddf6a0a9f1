"""Pooling, and reductions over axes."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lipcert.checkpoint.onnx.ops.call import Call, Inputs, Op
from lipcert.checkpoint.onnx.ops.windows import Windows, windows
from lipcert.errors import UnsupportedError

_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def max_pool(call: Call, inputs: Inputs) -> Tensor:
    """Unequal padding repeats the outermost entries: every window that holds one of these holds the entry itself."""
    x: Tensor = inputs[0]
    over = windows(call, x.shape[2:], call["kernel_shape"])
    half = all(2 * pad <= kernel for pad, kernel in zip(over.before, over.kernel, strict=True))
    padding = over.before if over.symmetric and half else [0] * len(over.before)
    if not (over.symmetric and half):
        _require_inside(over)
        x = over.padded(x, "replicate") if any(over.before + over.after) else x
    return _MAX[len(padding)](x, over.kernel, over.stride, padding, over.dilation)


def _require_inside(over: Windows) -> None:
    rows = zip(over.kernel, over.dilation, over.before, over.after, strict=True)
    if any((before > 0 or after > 0) and (d > 1 or max(before, after) >= k) for k, d, before, after in rows):
        raise UnsupportedError("unequal padding with dilation, or windows of padding alone")


def average_pool(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    axes, over = x.dim() - 2, windows(call, x.shape[2:], call["kernel_shape"])
    if any(d > 1 for d in over.dilation):
        raise UnsupportedError("dilation")
    counted = bool(call["count_include_pad"])
    half = all(2 * pad <= kernel for pad, kernel in zip(over.before, over.kernel, strict=True))
    if over.symmetric and half and not call["ceil_mode"]:
        return _AVERAGE[axes](x, over.kernel, over.stride, over.before, False, counted)
    return _averaged(call, x, over, counted)


def _averaged(call: Call, x: Tensor, over: Windows, counted: bool) -> Tensor:
    """The average over padded windows, times the size of a window, divided by how many of its entries count."""
    average, size = _AVERAGE[len(over.kernel)], torch.Size(over.kernel).numel()
    inside = torch.ones((1, 1, *x.shape[2:]), dtype=torch.float64)
    inside = _declared(call, over, inside) if counted else over.padded(inside)
    count = (average(inside, over.kernel, over.stride) * size).round().to(x.dtype)
    return average(over.padded(x), over.kernel, over.stride) * size / count


def _declared(call: Call, over: Windows, ones: Tensor) -> Tensor:
    """Ones where an entry or its declared padding is, zeros where only rounding up reaches; of the padded size."""
    plain = Call(call.op, call.version, {**call.attributes, "ceil_mode": 0}, {})
    declared = windows(plain, ones.shape[2:], over.kernel)
    surplus = [a - b for a, b in zip(over.after, declared.after, strict=True)]
    with_padding = torch.ones_like(declared.padded(ones))
    return F.pad(with_padding, [pad for each in reversed(surplus) for pad in (0, each)])


def global_average(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    return x.mean(tuple(range(2, x.dim())), keepdim=True)


def global_max(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    return x.amax(tuple(range(2, x.dim())), keepdim=True)


def reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Op:
    """A function of a tensor, axes and whether these stay, as 1; without axes over all of them, or over none."""

    def run(call: Call, inputs: Inputs) -> Tensor:
        x: Tensor = inputs[0]
        axes = call.ints(1, "axes") or []
        if not axes and call["noop_with_empty_axes"]:
            raise UnsupportedError("a reduction over no axes")
        y = function(x, [axis % x.dim() for axis in axes] or list(range(x.dim())), bool(call["keepdims"]))
        return y.to(x.dtype)  # torch adds up and multiplies integers as int64

    return Op(run, known=(1,))


def reduce_l1(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.abs().sum(axes, keep)


def reduce_l2(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.square().sum(axes, keep).sqrt()


def reduce_log_sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.sum(axes, keep).log()


def reduce_sum_square(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.square().sum(axes, keep)


def reduce_product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keep)
    return x


def arg(function: Callable[..., Tensor]) -> Op:
    def run(call: Call, inputs: Inputs) -> Tensor:
        if call["select_last_index"]:
            raise UnsupportedError("the last of several extremes")
        return function(inputs[0], call["axis"], bool(call["keepdims"]))

    return Op(run)
