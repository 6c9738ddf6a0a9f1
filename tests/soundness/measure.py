"""Points, norms and ratios in float64, by which attacks measure; nothing of lipcert is used."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Function = Callable[[Sequence[Tensor]], Tensor]
"""Batches of inputs (batch, *shape) to a batch of outputs, item by item."""

Measure = str | Tensor
"""The norm of a tensor: "l2", "linf", or a label an entry, for the largest l2 norm of entries with one label."""

ROUNDING = 2.0**-46
"""What evaluating a function may cost, relative to its value: taken off every measured difference."""


@dataclass(frozen=True)
class Box:
    """Where one input may lie: lo <= x <= hi, ends may be infinite; and no group of entries with one label is longer
    than `radius`, in a box that then contains 0."""

    lo: Tensor
    hi: Tensor
    labels: Tensor | None = None
    radius: float = math.inf

    def clip(self, x: Tensor) -> Tensor:
        inside = torch.minimum(torch.maximum(x, self.lo), self.hi)
        if self.labels is None or self.radius == math.inf:
            return inside
        flat, labels = inside.flatten(1), self.labels.flatten()
        sizes = group_squares(flat, labels).clamp_min(1e-300).sqrt()
        return (flat * (self.radius / sizes).clamp_max(1.0)[:, labels]).reshape(inside.shape)

    def sample(self, count: int, generator: torch.Generator, spread: float = 1.0) -> Tensor:
        """Points of the box, every third one a corner; `spread` round its nearest point to 0 where it is unbounded."""
        shape = (count, *self.lo.shape)
        part = torch.rand(shape, generator=generator, dtype=torch.float64)
        part[::3] = part[::3].round()
        inside = self.lo + (self.hi - self.lo) * part
        wide = self.clip(torch.zeros(())) + spread * torch.randn(shape, generator=generator, dtype=torch.float64)
        return self.clip(torch.where(torch.isfinite(inside), inside, wide))


def everywhere(shape: Sequence[int]) -> Box:
    infinite = torch.full(tuple(shape), torch.inf, dtype=torch.float64)
    return Box(-infinite, infinite)


def length(x: Tensor, norm: Measure) -> Tensor:
    """The norm of each item of a batch; 0 for no entries."""
    flat = x.flatten(1)
    if flat.shape[1] == 0:
        return flat.new_zeros(len(flat))
    peak = flat.abs().amax(1)
    if isinstance(norm, str) and norm == "linf":
        return peak
    scale = torch.where(peak > 0, peak, 1.0).detach()  # squares would leave the range of floats
    unit = flat / scale[:, None]
    squares = unit.square().sum(1) if isinstance(norm, str) else group_squares(unit, norm.flatten()).amax(1)
    return scale * squares.sqrt()


def group_squares(flat: Tensor, labels: Tensor) -> Tensor:
    """For each item and label the sum of the squares of its entries."""
    return flat.new_zeros(len(flat), int(labels.max()) + 1).index_add(1, labels, flat.square())


@dataclass(frozen=True)
class Scales:
    """How moves are measured: of the output, and of every input relative to its gain."""

    output: Measure
    inputs: Sequence[Measure]
    gains: Sequence[float]

    def apart(self, x: Sequence[Tensor], y: Sequence[Tensor]) -> Tensor:
        parts = zip(x, y, self.inputs, self.gains, strict=True)
        return torch.stack([length(a - b, norm) / g for a, b, norm, g in parts]).amax(0)


def ratios(f: Function, x: Sequence[Tensor], y: Sequence[Tensor], scales: Scales) -> Tensor:
    """|f(x) - f(y)| / max_k |x_k - y_k|/g_k of each item, less what rounding may have added; 0 where x = y."""
    norm = scales.output
    with torch.no_grad():
        at_x, at_y = f(x), f(y)
        moved = length(at_x - at_y, norm) - ROUNDING * torch.maximum(length(at_x, norm), length(at_y, norm))
        apart = scales.apart(x, y)
        return torch.where(apart > 0, moved / apart, 0.0).nan_to_num(0.0, posinf=torch.inf).clamp_min(0.0)
