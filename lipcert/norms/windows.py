"""Which input entries each output of a convolution or pooling reads."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

Indices = Int[np.ndarray, "_ _"]
"""Outputs × taps."""


def window_count(
    size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int, *, ceil_mode: bool = False
) -> int:
    """How many windows fit along one axis, as torch counts them.

    In `ceil_mode` a last window may hang over the right padding, if it starts inside the input or the left.
    """
    room = size + sum(padding) - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return max(room // stride + 1, 0)
    count = -(-room // stride) + 1
    return max(count - 1 if (count - 1) * stride >= size + padding[0] else count, 0)


def window_indices(
    size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int, outputs: int | None = None
) -> Indices:
    """The input index that each tap of each window reads along one axis; -1 where it reads padding.

    outputs: the number of windows, where it is not what `window_count` says.
    """
    if outputs is None:
        outputs = window_count(size, kernel, stride, padding, dilation)
    read = np.arange(outputs)[:, None] * stride - padding[0] + np.arange(kernel) * dilation
    return np.where((read >= 0) & (read < size), read, -1)


def combine_windows(axes: Sequence[Indices], size: Sequence[int]) -> Indices:
    """Flat indices of the windows of several axes: outputs and taps in row-major order, -1 outside."""
    flat = np.zeros((1, 1), dtype=np.int64)
    for axis, length in zip(axes, size, strict=True):
        outside = (flat < 0)[:, None, :, None] | (axis < 0)[None, :, None, :]
        joined = np.where(outside, -1, flat[:, None, :, None] * length + axis[None, :, None, :])
        flat = joined.reshape(flat.shape[0] * axis.shape[0], flat.shape[1] * axis.shape[1])
    return flat
