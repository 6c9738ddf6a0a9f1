"""What a proved range has to survive: optimisation in float64 for values far out, and for long ones."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tests.soundness.measure import Box, Function, Measure, length


def extremes(f: Function, boxes: Sequence[Box], *, starts: int = 24, spread: float = 10.0, seed: int = 0) -> Tensor:
    """Values of f at points that push single outputs up or down: (points, *output shape)."""
    generator = torch.Generator().manual_seed(seed)
    x = [box.sample(starts, generator, spread) for box in boxes]
    found = [_values(f, x)]
    outputs = found[0].flatten(1).shape[1]
    which = torch.arange(starts) // 2 % outputs
    sign = torch.where(torch.arange(starts) % 2 == 0, 1.0, -1.0)
    for step in (100.0, 1.0, 0.1):
        for _ in range(2):
            x = [part.detach().requires_grad_() for part in x]
            chosen = f(x).flatten(1)[torch.arange(starts), which]
            slopes = torch.autograd.grad((sign * chosen).sum(), x, allow_unused=True, materialize_grads=True)
            x = [
                box.clip(p.detach() + step * spread * g.nan_to_num().sign())
                for box, p, g in zip(boxes, x, slopes, strict=True)
            ]
            found.append(_values(f, x))
    return torch.cat(found)


def longest(f: Function, boxes: Sequence[Box], norm: Measure, *, starts: int = 12, seed: int = 0) -> float:
    """The largest norm of a value of f that was found, by ascent from points of the boxes."""
    generator = torch.Generator().manual_seed(seed)
    x = [box.sample(starts, generator, 10.0) for box in boxes]
    best = 0.0
    for step in (0.0, 100.0, 1.0, 1.0, 0.1, 0.1):
        x = [part.detach().requires_grad_() for part in x]
        slopes = torch.autograd.grad(length(f(x), norm).sum(), x, allow_unused=True, materialize_grads=True)
        moves = zip(boxes, x, slopes, strict=True)
        x = [box.clip(p.detach() + step * g.nan_to_num(0.0, 0.0, 0.0).sign()) for box, p, g in moves]
        best = max(best, float(length(_values(f, x), norm).nan_to_num(0.0, 0.0).max()))
    return best


def _values(f: Function, x: Sequence[Tensor]) -> Tensor:
    with torch.no_grad():
        return f(x)
