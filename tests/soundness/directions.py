"""Jacobians, and the directions in which a function moves most."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tests.soundness.measure import Function, Measure, Scales, group_squares


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
        whole = whole + 0.1 * units(noise, labels)
    for _ in range(30 if several else 0):
        moved = torch.einsum("boi,bi->bo", joined, units(whole, labels))
        whole = torch.einsum("boi,bo->bi", joined, moved * seen)
    return [g * part for g, part in zip(gains, units(whole, labels).split(sizes, 1), strict=True)]


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


def units(x: Tensor, labels: Tensor) -> Tensor:
    """Every group of every item made 1 long; 0 stays 0."""
    size = group_squares(x, labels).sqrt()[:, labels]
    return torch.where(size > 0, x / size, 0.0)
