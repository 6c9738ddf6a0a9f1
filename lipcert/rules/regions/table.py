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
from lipcert.rules.regions.increments import Increments, increments
from lipcert.rules.regions.region import Region, bends
from lipcert.rules.regions.remainder import prove_remainder
from lipcert.rules.types import Node, Prover, Reach

Nodes = Mapping[str, Node]
Reaches = Mapping[str, Reach]


@runtime_checkable
class RegionProver(Prover, Protocol):
    """A prover that also supplies multipliers."""

    def multipliers(self, key: str, work: Increments) -> arb | None:
        """The l2 gain of a region from diagonal multipliers; None where none prove one."""
        ...


@dataclass(frozen=True)
class Method:
    """prove(nodes, region, reaches, prover) → gain from entry to exit, or None. norm: inner order."""

    norm: int | str
    prove: Callable[[Nodes, Region, Reaches, RegionProver], arb | None]
    source: str


def key_of(region: Region, method: str) -> str:
    """What a witness is stored under: two methods may bound the same region."""
    return f"{region.entry} → {region.exit} by {method}"


def _multipliers(nodes: Nodes, region: Region, reaches: Reaches, prover: RegionProver) -> arb | None:
    return prover.multipliers(key_of(region, "multipliers"), increments(nodes, region, reaches))


def _matrix(nodes: Nodes, region: Region, reaches: Reaches, prover: RegionProver) -> arb | None:
    # No nonlinearity: the region is one matrix, known up to |E|_F: |M + E|_2 <= |M|_2 + |E|_F.
    if any(bends(nodes[name]) for name in region.members):
        return None
    part = increments(nodes, region, reaches).exit[0]
    return prover.spectral(key_of(region, "matrix"), part.matrix.numpy()) + part.error


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


def _conv_scale(nodes: Nodes, region: Region, reaches: Reaches, prover: RegionProver) -> arb | None:
    # |L(K)| <= |L(K̂)| + |L(K̂ - K)|, and entrywise |K̂ - K| <= δ|K̂| gives |L(K̂ - K)|_2 <= δ √(|L|_1 |L|_∞).
    pair = folded(nodes, region)
    if pair is None:
        return None
    conv, relative = pair
    slack = relative * _absolute(conv)
    return prover.conv(key_of(region, "folded"), conv) + slack


def _absolute(conv: Conv) -> arb:
    kernel = abs(conv.kernel).reshape(*conv.kernel.shape[:2], -1).sum(2)
    rows, columns = (arb(float(kernel.sum(axis).max())) for axis in (0, 1))
    return (rows * columns).sqrt() * conv.groups * (1 + 2 * ball.gamma(conv.kernel.size + 2))


def _remainder(nodes: Nodes, region: Region, reaches: Reaches, prover: RegionProver) -> arb | None:
    return prove_remainder(nodes, region, reaches)


METHODS: Mapping[str, Method] = {
    "multipliers": Method(2, _multipliers, "S-procedure with diagonal multipliers (LipSDP; Pauli et al. 2021)"),
    "matrix": Method(2, _matrix, "the product of linear maps, formed, with its rounding"),
    "folded": Method(2, _conv_scale, "BatchNorm folded into the convolution before it"),
    "remainder": Method("inf", _remainder, "a matrix and an entrywise remainder (Combettes and Pesquet 2020)"),
}


def prove_region(
    method: str, nodes: Nodes, region: Region, norm: Norm, reaches: Reaches, prover: RegionProver
) -> arb | None:
    """The region's gain by the named method; None where it proves nothing in this norm."""
    chosen = METHODS[method]
    return chosen.prove(nodes, region, reaches, prover) if chosen.norm == norm.inner else None
