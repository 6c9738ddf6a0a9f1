"""What a proved number has to survive: optimisation in float64 for the largest ratio of two points.

It gives lower bounds of gains; nothing of lipcert is used.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tests.soundness.directions import jacobians, steepest
from tests.soundness.measure import Box, Function, Measure, Scales, everywhere, length, ratios

Ends = tuple[list[Tensor], ...]
"""Both ends of pairs: batches of points, one for each input."""


def largest_ratio(
    f: Function,
    boxes: Sequence[Box],
    norm: Measure,
    *,
    inputs: Sequence[Measure] = (),
    gains: Sequence[float] = (),
    starts: int = 12,
    rounds: int = 2,
    steps: int = 8,
    spread: float = 1.0,
    seed: int = 0,
) -> float:
    """The largest ratio found between two points of the boxes: Jacobians, then ascent of place and of the pair.

    norm: of the output. inputs: the norm of each, left out: the same. gains: by which each is divided.
    """
    scales = Scales(norm, tuple(inputs) or (norm,) * len(boxes), tuple(gains) or (1.0,) * len(boxes))
    generator = torch.Generator().manual_seed(seed)
    x = [box.sample(starts, generator, spread) for box in boxes]
    far = [box.sample(starts, generator, spread) for box in boxes]
    best = float(ratios(f, x, far, scales).max())
    for _ in range(rounds):
        found = _along_jacobian(f, x, boxes, scales, spread)
        for together in (True, False):
            found = _ascend(f, found, boxes, scales, steps, spread, together)
        best, x = max(best, float(found[1].max())), found[0][0]
    return best


def _along_jacobian(
    f: Function, x: Sequence[Tensor], boxes: Sequence[Box], scales: Scales, spread: float
) -> tuple[Ends, Tensor]:
    """For each point the best pair round it along its steepest direction, and its ratio."""
    directions = [d.reshape(p.shape) for d, p in zip(steepest(jacobians(f, x), scales), x, strict=True)]
    best: tuple[Ends, Tensor] = ((list(x), list(x)), torch.zeros(len(x[0]), dtype=torch.float64))
    for step in (1.0, 1e-2, 1e-4):
        ends = tuple(
            [box.clip(p + sign * step * spread * d) for box, p, d in zip(boxes, x, directions, strict=True)]
            for sign in (1, -1)
        )
        best = _better(best, (ends, ratios(f, *ends, scales)))
    return best


def _better(old: tuple[Ends, Tensor], new: tuple[Ends, Tensor]) -> tuple[Ends, Tensor]:
    """The pairs with the larger ratio, item by item."""
    use = new[1] > old[1]
    ends = tuple(
        [torch.where(use.reshape(-1, *[1] * (n.dim() - 1)), n.detach(), o) for n, o in zip(ns, os, strict=True)]
        for ns, os in zip(new[0], old[0], strict=True)
    )
    return ends, torch.where(use, new[1], old[1])


def _ascend(
    f: Function,
    start: tuple[Ends, Tensor],
    boxes: Sequence[Box],
    scales: Scales,
    steps: int,
    spread: float,
    together: bool,
) -> tuple[Ends, Tensor]:
    """Adam on log ratio: the pair is moved as a whole, or both its ends freely."""
    x, y = start[0]
    place = [part.detach().clone().requires_grad_() for part in x]
    gap = [(b - a).detach().clone().requires_grad_(not together) for a, b in zip(x, y, strict=True)]
    optimiser = torch.optim.Adam(place if together else [*place, *gap], lr=0.1 * spread)
    best = start
    for _ in range(steps):
        a = [box.clip(p) for box, p in zip(boxes, place, strict=True)]
        b = [box.clip(p + g) for box, p, g in zip(boxes, place, gap, strict=True)]
        moved, apart = length(f(a) - f(b), scales.output), scales.apart(a, b)
        use = (moved > 0) & (apart > 0) & torch.isfinite(moved)
        if not bool(use.any()):
            break
        optimiser.zero_grad()
        (apart[use].log() - moved[use].log()).sum().backward()
        for part in (*place, *gap):
            if part.grad is not None:
                part.grad.nan_to_num_(0.0, 0.0, 0.0)
        optimiser.step()
        best = _better(best, ((a, b), ratios(f, a, b, scales)))
    return best


def module_ratio(
    module: nn.Module,
    shape: Sequence[int],
    norm: str,
    ends: tuple[float, float] | None = None,
    **effort: float,
) -> float:
    """`largest_ratio` of a module itself, in float64, on one item of `shape` (without a batch axis)."""
    exact = copy.deepcopy(module).double().eval()
    box = everywhere(shape)
    if ends is not None:
        box = Box(*(torch.full(tuple(shape), end, dtype=torch.float64) for end in ends))
    return largest_ratio(lambda inputs: exact(inputs[0]), [box], norm, **effort)  # type: ignore[arg-type]
