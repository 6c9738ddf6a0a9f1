"""Random convolutions, and what torch makes of them."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from lipcert.errors import InputError
from lipcert.norms.conv import Conv

FORWARD = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def random_conv(seed: int) -> Conv:
    """Any stride, padding (of either side), dilation and groups; kernels larger than the input included."""
    rng = np.random.default_rng(seed)
    while True:
        try:
            return _draw(rng)
        except InputError:
            continue


def _draw(rng: np.random.Generator) -> Conv:
    axes = int(rng.choice([1, 2, 2, 3]))
    most = {1: 12, 2: 6, 3: 3}[axes]

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(n) for n in rng.integers(low, high + 1, axes))

    groups, transposed = int(rng.choice([1, 1, 2, 3])), bool(rng.integers(0, 2))
    stride, dilation, before, after = each(1, 3), each(1, 3), each(0, 4), each(0, 4)
    kernel = rng.standard_normal((groups * int(rng.integers(1, 4)), int(rng.integers(1, 4)), *each(1, 4)))
    return Conv(
        kernel=kernel,
        size=each(1, most),
        stride=stride,
        padding=tuple(zip(before, before if transposed else after, strict=True)),
        dilation=dilation,
        groups=groups,
        transposed=transposed,
        output_padding=tuple(int(rng.integers(0, max(a, b))) for a, b in zip(stride, dilation, strict=True))
        if transposed
        else (),
    )


def channels(conv: Conv) -> int:
    """Of the input."""
    return conv.kernel.shape[0] if conv.transposed else conv.kernel.shape[1] * conv.groups


def apply(conv: Conv, x: torch.Tensor) -> torch.Tensor:
    """torch's convolution of a batch."""
    kernel, axes = torch.from_numpy(conv.kernel), len(conv.size)
    before = [pad for pad, _ in conv.padding]
    if conv.transposed:
        return TRANSPOSED[axes](x, kernel, None, conv.stride, before, conv.output_padding, conv.groups, conv.dilation)
    padded = F.pad(x, [pad for axis in reversed(conv.padding) for pad in axis])
    return FORWARD[axes](padded, kernel, None, conv.stride, 0, conv.dilation, conv.groups)


def matrix(conv: Conv) -> np.ndarray:
    """torch's convolution of the unit vectors."""
    inputs = channels(conv) * math.prod(conv.size)
    units = torch.eye(inputs, dtype=torch.float64).reshape(inputs, channels(conv), *conv.size)
    return apply(conv, units).flatten(1).T.numpy()
