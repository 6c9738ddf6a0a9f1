"""The ways to bound a region as a whole, by name; a certificate says which one was used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from flint import arb

from lipcert.norms import ball
from lipcert.norms.conv import Conv
from lipcert.norms.norm import Norm
from lipcert.rules.affine import conv_of, largest_factor
from lipcert.rules.interval import constant64
from lipcert.rules.regions.attention import prove_attention
from lipcert.rules.regions.increments import Increments, increments
from lipcert.rules.regions.midrad import ScalingProver, prove_midrad
from lipcert.rules.regions.region import Region, Whole, is_member
from lipcert.rules.regions.remainder import prove_remainder
from lipcert.rules.regions.token import one_token
from lipcert.rules.table import RULES
from lipcert.rules.types import Fact, Node, Reach

Nodes = Mapping[str, Node]
Facts = Mapping[str, Fact]


@runtime_checkable
class RegionProver(ScalingProver, Protocol):
    """A prover that also supplies multipliers."""

    def multipliers(self, key: str, work: Increments) -> arb | None:
        """The l2 gain of a region from diagonal multipliers; None where none prove one."""
        ...


@dataclass(frozen=True)
class Method:
    """prove(nodes, region, facts, prover) → what is proved, or None. norm: inner order.

    facts: what is known of the values of every node; gains are not used.
    by_token: whether it holds between groups as they are; the others are run on one token, where all are mapped
    alike. sizes: whether it bounds the exit's values too.
    """

    norm: int | str
    prove: Callable[[Nodes, Region, Facts, RegionProver], Whole | None]
    source: str
    by_token: bool = False
    sizes: bool = False


def key_of(region: Region, method: str) -> str:
    """What a witness is stored under: two methods may bound the same region."""
    return f"{region.entry} → {region.exit} by {method}"


def _multipliers(nodes: Nodes, region: Region, facts: Facts, prover: RegionProver) -> Whole | None:
    reaches = _reaches(facts, region)
    if not all(is_member(nodes[name], reaches) for name in region.members):
        return None
    gain = prover.multipliers(key_of(region, "multipliers"), increments(nodes, region, reaches))
    return None if gain is None else Whole(gain)


def _midrad(nodes: Nodes, region: Region, facts: Facts, prover: RegionProver) -> Whole | None:
    reaches = _reaches(facts, region)
    if not all(is_member(nodes[name], reaches) for name in region.members):
        return None
    gain = prove_midrad(increments(nodes, region, reaches), prover, key_of(region, "midrad"))
    return None if gain is None else Whole(gain)


def _reaches(facts: Facts, region: Region) -> dict[str, Reach]:
    return {name: facts[name].reach for name in (region.entry, *region.members)}


def _matrix(nodes: Nodes, region: Region, facts: Facts, prover: RegionProver) -> Whole | None:
    # No nonlinearity: the region is one matrix, known up to |E|_F: |M + E|_2 <= |M|_2 + |E|_F.
    if any(RULES[nodes[name].op].linear is None for name in region.members):
        return None
    part = increments(nodes, region, _reaches(facts, region)).exit[0]
    return Whole(prover.spectral(key_of(region, "matrix"), part.matrix.numpy()) + part.error)


def folded(nodes: Nodes, region: Region) -> tuple[Conv, arb] | None:
    """A convolution followed by scalings a channel (BatchNorm), as one convolution; None for other regions.

    The second value bounds |K̂ - K| / |K̂| entry by entry: one rounding a product, and the factors' own.
    A product that may have underflowed has no such bound, and is not folded.
    """
    first, *rest = (nodes[name] for name in region.members)
    if first.op != "conv" or not rest or any(node.op != "scale" for node in rest):
        return None
    axes = len(first.attrs["size"])
    channels = (1, first.shape[-axes - 1], *[1] * axes)
    kernel, ulps = constant64(first, "weight"), len(rest)
    for node in rest:
        largest_factor(node)  # refuses factors outside the error analysis
        factor = constant64(node, "factor")
        if np.broadcast_shapes(factor.shape, channels) != channels:
            return None
        factor = _per_output(factor.expand(channels).reshape(-1), first, kernel.dim())
        before, kernel = kernel, kernel * factor
        if bool(((kernel.abs() < 1e-290) & (before != 0) & (factor != 0)).any()):
            return None
        ulps += 2 * node.attrs.get("ulps", 0)
    return replace(conv_of(first), kernel=kernel.numpy()), ball.gamma(ulps)


def _per_output(factor: torch.Tensor, conv: Node, rank: int) -> torch.Tensor:
    if not conv.attrs["transposed"]:
        return factor.reshape(-1, *[1] * (rank - 1))
    grouped = factor.reshape(conv.attrs["groups"], -1)
    each = conv.consts["weight"].shape[0] // conv.attrs["groups"]
    return grouped.repeat_interleave(each, 0).reshape(conv.consts["weight"].shape[0], -1, *[1] * (rank - 2))


def _conv_scale(nodes: Nodes, region: Region, facts: Facts, prover: RegionProver) -> Whole | None:
    # |L(K)| <= |L(K̂)| + |L(K̂ - K)|, and entrywise |K̂ - K| <= δ|K̂| gives |L(K̂ - K)|_2 <= δ √(|L|_1 |L|_∞).
    pair = folded(nodes, region)
    if pair is None:
        return None
    conv, relative = pair
    slack = relative * _absolute(conv)
    return Whole(prover.conv(key_of(region, "folded"), conv) + slack)


def _attention(nodes: Nodes, region: Region, facts: Facts, prover: RegionProver) -> Whole | None:
    return prove_attention(nodes, region, facts, prover, key_of(region, "attention"))


def _absolute(conv: Conv) -> arb:
    kernel = abs(conv.kernel).reshape(*conv.kernel.shape[:2], -1).sum(2)
    rows, columns = (arb(float(kernel.sum(axis).max())) for axis in (0, 1))
    return (rows * columns).sqrt() * conv.groups * (1 + 2 * ball.gamma(conv.kernel.size + 2))


def _remainder(nodes: Nodes, region: Region, facts: Facts, prover: RegionProver) -> Whole | None:
    reaches = _reaches(facts, region)
    if not all(is_member(nodes[name], reaches) for name in region.members):
        return None
    gain = prove_remainder(nodes, region, reaches)
    return None if gain is None else Whole(gain)


METHODS: Mapping[str, Method] = {
    "multipliers": Method(2, _multipliers, "S-procedure with diagonal multipliers (LipSDP; Pauli et al. 2021)"),
    "midrad": Method(2, _midrad, "mean slope and deviation: |C + BA/2| + |BD||D⁻¹A|/2"),
    "matrix": Method(2, _matrix, "the product of linear maps, formed, with its rounding"),
    "folded": Method(2, _conv_scale, "BatchNorm folded into the convolution before it"),
    "remainder": Method("inf", _remainder, "a matrix and an entrywise remainder (Combettes and Pesquet 2020)"),
    "attention": Method(
        2, _attention, "attention with its projections: value path, and logits as bilinear forms", by_token=True,
        sizes=True,
    ),
}  # fmt: skip


def prove_region(
    method: str, nodes: Nodes, region: Region, norm: Norm, facts: Facts, prover: RegionProver
) -> Whole | None:
    """What the named method proves of the region; None where that is nothing in this norm."""
    chosen = METHODS[method]
    if chosen.norm != norm.inner or (chosen.by_token and not norm.by_token):
        return None
    if norm.by_token and not chosen.by_token:
        one = one_token(nodes, region, facts)
        return None if one is None else chosen.prove(one.nodes, region, one.facts, prover)
    return chosen.prove(nodes, region, facts, prover)
