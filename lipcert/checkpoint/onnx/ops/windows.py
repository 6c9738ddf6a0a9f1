"""Where a sliding window of ONNX starts and ends: auto_pad, unequal padding and sizes rounded up."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from lipcert.checkpoint.onnx.ops.call import Call
from lipcert.errors import UnsupportedError


@dataclass(frozen=True)
class Windows:
    """One entry for each spatial axis. before, after: entries of padding that floor division then covers."""

    kernel: list[int]
    stride: list[int]
    dilation: list[int]
    before: list[int]
    after: list[int]

    @property
    def symmetric(self) -> bool:
        return self.before == self.after and all(pad >= 0 for pad in self.before)

    def padded(self, x: Tensor, mode: str = "constant") -> Tensor:
        """x with its padding: zeros, or its outermost entries."""
        pads = [pad for pair in zip(reversed(self.before), reversed(self.after), strict=True) for pad in pair]
        return F.pad(x, pads, mode)


def windows(call: Call, size: Sequence[int], kernel: Sequence[int]) -> Windows:
    """The windows of a convolution or a pool over axes of these sizes."""
    axes = len(size)
    if not 1 <= axes <= 3:
        raise UnsupportedError(f"{axes} spatial axes")
    stride, dilation = (list(call[name] or [1] * axes) for name in ("strides", "dilations"))
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    before, after = _padding(call, size, spans, stride)
    if call["ceil_mode"]:
        lines = zip(size, spans, stride, before, after, strict=True)
        after = [_rounded_up(*line) for line in lines]
    return Windows(list(kernel), stride, dilation, before, after)


def _padding(call: Call, size: Sequence[int], spans: list[int], stride: list[int]) -> tuple[list[int], list[int]]:
    axes, auto = len(size), call["auto_pad"] or "NOTSET"
    if auto == "NOTSET":
        pads = list(call["pads"] or [0] * 2 * axes)
        return pads[:axes], pads[axes:]
    if auto == "VALID":
        return [0] * axes, [0] * axes
    total = [max((-(-n // s) - 1) * s + span - n, 0) for n, s, span in zip(size, stride, spans, strict=True)]
    less, more = [pad // 2 for pad in total], [pad - pad // 2 for pad in total]
    return (less, more) if auto == "SAME_UPPER" else (more, less)


def _rounded_up(n: int, span: int, stride: int, before: int, after: int) -> int:
    """What padding after the entries gives as many windows as rounding up: none starts behind the entries."""
    count = -(-(n + before + after - span) // stride) + 1
    if (count - 1) * stride >= n + before:
        count -= 1
    return (count - 1) * stride + span - n - before
