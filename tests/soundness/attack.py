"""What a proved number has to survive: optimisation in float64 for the largest ratio and for extreme values.

Everything here gives lower bounds of gains and points of ranges; nothing of lipcert is used.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Function = Callable[[Sequence[Tensor]], Tensor]
"""Batches of inputs (batch, *shape) to a batch of outputs, item by item."""

Ends = tuple[list[Tensor], ...]
"""Both ends of pairs: batches of points, one for each input."""

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
        sizes = _squares(flat, labels).clamp_min(1e-300).sqrt()
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
    squares = unit.square().sum(1) if isinstance(norm, str) else _squares(unit, norm.flatten()).amax(1)
    return scale * squares.sqrt()


def _squares(flat: Tensor, labels: Tensor) -> Tensor:
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


def jacobians(f: Function, x: Sequence[Tensor]) -> list[Tensor]:
    """(batch, outputs, entries) for each input."""
    x = [part.detach().requires_grad_() for part in x]
    y = f(x).flatten(1)
    rows = [
        torch.autograd.grad(y[:, i].sum(), x, retain_graph=True, allow_unused=True, materialize_grads=True)
        for i in range(y.shape[1])
    ]
    return [torch.stack([row[k].flatten(1) for row in rows], 1) for k in range(len(x))]


def steepest(slopes: Sequence[Tensor], scales: Scales) -> list[Tensor]:
    """Directions d_k, |d_k| = g_k, that make |Σ J_k d_k| large: exact in linf, and in l2 for one input."""
    gains = scales.gains
    scaled = [g * j for g, j in zip(gains, slopes, strict=True)]
    if isinstance(scales.output, str) and scales.output == "linf":
        row = sum(j.abs().sum(2) for j in scaled).argmax(1)  # type: ignore[union-attr]
        return [g * j[torch.arange(len(j)), row].sign() for g, j in zip(gains, slopes, strict=True)]
    joined = torch.cat(scaled, 2)
    peak = joined.abs().amax((1, 2), keepdim=True)
    joined = (joined / peak.clamp_min(1e-300)).nan_to_num(0.0, 0.0, 0.0)  # slopes that overflow say nothing
    sizes = [j.shape[2] for j in scaled]
    labels, seen = _joined_labels(scales.inputs, sizes), _seen(joined, scales.output)
    whole = torch.linalg.svd(joined * seen[:, :, None], full_matrices=False)[2][:, 0]
    several = int(labels.max()) > 0
    if several:  # each group has a length of its own: power iteration, and none starts at 0
        noise = torch.randn(whole.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        whole = whole + 0.1 * _units(noise, labels)
    for _ in range(30 if several else 0):
        moved = torch.einsum("boi,bi->bo", joined, _units(whole, labels))
        whole = torch.einsum("boi,bo->bi", joined, moved * seen)
    return [g * part for g, part in zip(gains, _units(whole, labels).split(sizes, 1), strict=True)]


def _joined_labels(inputs: Sequence[Measure], sizes: Sequence[int]) -> Tensor:
    """A label an entry of all inputs, no two inputs with the same."""
    found, top = [], 0
    for norm, size in zip(inputs, sizes, strict=True):
        found.append((torch.zeros(size, dtype=torch.long) if isinstance(norm, str) else norm.flatten()) + top)
        top = int(found[-1].max()) + 1 if size else top
    return torch.cat(found)


def _seen(joined: Tensor, norm: Measure) -> Tensor:
    """Which outputs each item is to move: all, or the group whose turn it is."""
    if isinstance(norm, str):
        return joined.new_ones(joined.shape[:2])
    groups = norm.flatten().unique()
    turn = groups[torch.arange(len(joined)) % len(groups)]
    return (norm.flatten() == turn[:, None]).double()


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


def _units(x: Tensor, labels: Tensor) -> Tensor:
    """Every group of every item made 1 long; 0 stays 0."""
    size = _squares(x, labels).sqrt()[:, labels]
    return torch.where(size > 0, x / size, 0.0)


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
