"""Rules for operations that only move entries: reshape, and gather with its index map."""

from collections.abc import Sequence

import numpy as np
import torch
from flint import arb
from torch import Tensor

from lipcert.norms.norm import Norm
from lipcert.rules.grouping import moved, reshaped
from lipcert.rules.interval import affine_forward, affine_reach
from lipcert.rules.types import Fact, Linear, Node, Prover, Reach, Rule


def _reshape_apply(node: Node, inputs: Sequence[Tensor], absolute: bool) -> Tensor:
    return inputs[0].reshape(len(inputs[0]), *node.shape)


def _same_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # |Δy| = |Δx|: a flat norm does not see the shape, and groups keep their entries.
    return facts[0].gain


_RESHAPE = Linear(apply=_reshape_apply, terms=lambda node: 1, absolute_norm=lambda node: arb(1))

RESHAPE = Rule(
    forward=affine_forward(_RESHAPE),
    reach=lambda node, reaches: Reach(
        np.broadcast_to(reaches[0].lo, _from(node)).reshape(node.shape),
        np.broadcast_to(reaches[0].hi, _from(node)).reshape(node.shape),
    ),
    gain=_same_gain,
    linear=_RESHAPE,
    groups=reshaped,
    source="the same entries in another shape: the same flat norm",
)


def _from(node: Node) -> tuple[int, ...]:
    return tuple(node.attrs["from"])


def _gather_apply(node: Node, inputs: Sequence[Tensor], absolute: bool) -> Tensor:
    batch = len(inputs[0])
    entries = torch.cat([x.reshape(batch, -1) for x in inputs], dim=1)
    index = node.consts["index"].reshape(-1)
    moved = entries[:, index.clamp_min(0)]
    return torch.where(index < 0, torch.zeros((), dtype=moved.dtype), moved).reshape(batch, *node.shape)


def multiplicities(node: Node) -> list[int]:
    """For each input, how often its most used entry appears in the output."""
    index = node.consts["index"].reshape(-1)
    sizes = node.attrs["sizes"]
    counts = torch.bincount(index[index >= 0], minlength=sum(sizes))
    return [int(part.max()) if len(part) else 0 for part in torch.split(counts, sizes)]


def _gather_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # l2: |Δy|² = Σ_k Σ_entries multiplicity · Δx² <= Σ_k m_k |Δx_k|². linf: an entry of y is one of the x_k.
    used = [(m, fact.gain) for m, fact in zip(multiplicities(node), facts, strict=True) if m]
    if norm.inner == 2:
        return sum((m * gain**2 for m, gain in used), arb(0)).sqrt()
    return largest([gain for _, gain in used])


def largest(gains: Sequence[arb]) -> arb:
    """An upper bound of the maximum of nonnegative bounds."""
    top = arb(0)
    for gain in gains:
        top = top.max(gain)
    return top


def _gather_absolute(node: Node) -> arb:
    # Over the joined inputs: L Lᵀ and LᵀL are diagonal up to repetition, |L|² = the largest multiplicity.
    return arb(max(multiplicities(node), default=0)).sqrt()


_GATHER = Linear(apply=_gather_apply, terms=lambda node: 1, absolute_norm=_gather_absolute)

GATHER = Rule(
    forward=affine_forward(_GATHER),
    reach=affine_reach(_GATHER),
    gain=_gather_gain,
    linear=_GATHER,
    groups=moved,
    source="every output entry is an input entry or a constant: √multiplicity in l2, 1 in linf",
)
