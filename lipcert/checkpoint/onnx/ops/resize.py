"""Resizing by nearest neighbours: which entry is taken does not depend on values, and is worked out in fractions."""

import math
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from lipcert.checkpoint import memory
from lipcert.checkpoint.onnx.ops.call import Call, Inputs
from lipcert.errors import UnsupportedError

Axis = tuple[int, int, Fraction]
"""Entries before, entries after, and the factor between them."""


def resize(call: Call, inputs: Inputs) -> Tensor:
    """Upsample and Resize in mode nearest."""
    x: Tensor = inputs[0]
    mode = call["mode"]
    for axis, (before, after, factor) in zip(_axes(call, x.dim()), _sizes(call, x), strict=True):
        if before != after or factor != 1:
            if mode != "nearest":
                raise UnsupportedError(f"mode {mode!r}")
            memory.require(x.numel() // before * after * x.itemsize, f"axis {axis} of {after:,} entries")
            taken = [_nearest(call, place, (before, after, factor)) for place in range(after)]
            x = torch.index_select(x, axis, torch.tensor(taken))
    return x


def _axes(call: Call, rank: int) -> list[int]:
    return [axis % rank for axis in call["axes"] or range(rank)]


def _sizes(call: Call, x: Tensor) -> list[Axis]:
    before = [x.shape[axis] for axis in _axes(call, x.dim())]
    after = call.ints(3)
    if after:
        if call["keep_aspect_ratio_policy"] not in (None, "stretch"):
            raise UnsupportedError("sizes that keep the aspect ratio")
        return [(n, out, Fraction(out, n)) for n, out in zip(before, after, strict=True)]
    scales = call.known.get(2 if call.version >= 11 else 1) or call["scales"]
    # The scales are float32, and so is onnxruntime's product: 5 · 2.6 is 13 of them, although 2.6 is rounded down.
    after = [int(np.float32(n) * np.float32(scale)) for n, scale in zip(before, scales, strict=True)]
    return [(n, out, Fraction(scale)) for n, out, scale in zip(before, after, scales, strict=True)]


def _nearest(call: Call, place: int, axis: Axis) -> int:
    before, after, factor = axis
    way = call["coordinate_transformation_mode"] if call.version >= 11 else "asymmetric"
    rounding = call["nearest_mode"] if call.version >= 11 else "floor"
    half = Fraction(1, 2)
    ways = {
        "asymmetric": place / factor,
        "half_pixel": (place + half) / factor - half,
        "half_pixel_symmetric": Fraction(before, 2) * (1 - after / (factor * before)) + (place + half) / factor - half,
        "pytorch_half_pixel": (place + half) / factor - half if after > 1 else Fraction(0),
        "align_corners": Fraction(place * (before - 1), after - 1) if after > 1 else Fraction(0),
        "tf_half_pixel_for_nn": (place + half) / factor,
    }
    if way not in ways:
        raise UnsupportedError(f"coordinates {way!r}")
    at = ways[way]
    rounded = {
        "round_prefer_floor": math.ceil(at - half),
        "round_prefer_ceil": math.floor(at + half),
        "floor": math.floor(at),
        "ceil": math.ceil(at),
    }
    return min(max(rounded[rounding], 0), before - 1)
