"""Rules for pooling and for means, sums and maxima over axes: one window of entries an output."""

from collections.abc import Sequence

import numpy as np
import torch
from flint import arb
from torch import Tensor

from lipcert.norms import ball
from lipcert.norms.norm import Norm
from lipcert.rules.interval import affine_forward, affine_reach, constant64
from lipcert.rules.types import Fact, Linear, Node, Prover, Reach, Rule


def _entries(node: Node, x: Tensor, empty: float) -> Tensor:
    """The entries of every window, (batch, outputs, window); `empty` where a window leaves the input."""
    index = node.consts["windows"]
    taken = x.reshape(len(x), -1)[:, index.clamp_min(0)]
    return torch.where(index < 0, torch.full((), empty, dtype=x.dtype), taken)


def _sum_apply(node: Node, inputs: Sequence[Tensor], absolute: bool) -> Tensor:
    divisor = constant64(node, "divisor")
    total = _entries(node, inputs[0], 0.0).sum(-1) / (divisor.abs() if absolute else divisor)
    return total.reshape(len(inputs[0]), *node.shape)


def _sum_norms(node: Node) -> tuple[arb, arb]:
    """The largest row sum and column sum of the absolute window matrix; torch admits negative divisors."""
    index, divisor = node.consts["windows"], constant64(node, "divisor").abs()
    inside = (index >= 0).double()
    rows = inside.sum(1) / divisor
    columns = torch.zeros(node.attrs["size"], dtype=torch.float64)
    columns.index_add_(0, index.clamp_min(0).flatten(), (inside / divisor[:, None]).flatten())
    slack = 1 + 2 * ball.gamma(index.numel() + 2)
    return arb(float(rows.max())) * slack, arb(float(columns.max())) * slack


def _sum_l2(node: Node) -> arb:
    # |L|_2² <= |L|_∞ |L|_1 (Schur's test).
    rows, columns = _sum_norms(node)
    return (rows * columns).sqrt()


def _sum_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    return facts[0].gain * (_sum_l2(node) if norm.inner == 2 else _sum_norms(node)[0])


_SUM = Linear(apply=_sum_apply, terms=lambda node: node.consts["windows"].shape[1] + 1, absolute_norm=_sum_l2)

WINDOW_SUM = Rule(
    forward=affine_forward(_SUM),
    reach=affine_reach(_SUM),
    gain=_sum_gain,
    linear=_SUM,
    source="|L|_2² <= largest row sum · largest column sum of the counted windows (Schur's test)",
)


def _max_forward(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    return _entries(node, inputs[0], -np.inf).amax(-1).reshape(len(inputs[0]), *node.shape)


def _max_reach(node: Node, reaches: Sequence[Reach]) -> Reach:
    size = (1, node.attrs["size"])
    ends = [torch.from_numpy(np.array(end)).reshape(size) for end in (reaches[0].lo, reaches[0].hi)]
    lo, hi = (_max_forward(node, [end])[0].numpy() for end in ends)
    return Reach(lo, hi)


def _max_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # |max a - max b| <= max|a - b| <= |a - b|_2 in each window; an entry in m windows counts m times.
    if norm.inner == "inf":
        return facts[0].gain
    index = node.consts["windows"].flatten()
    return facts[0].gain * arb(int(torch.bincount(index[index >= 0]).max())).sqrt()


WINDOW_MAX = Rule(
    forward=_max_forward,
    reach=_max_reach,
    gain=_max_gain,
    source="|max a - max b| <= max|a - b|; √(windows an entry is in) in l2, 1 in linf",
)
