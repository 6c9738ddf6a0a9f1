"""The rule for LayerNorm, GroupNorm and RMSNorm, without their weights (those are scale nodes).

The input is cut into groups of `features` consecutive entries; each group is centred (unless
`centred` is false) and divided by √(mean of squares + eps).
"""

from collections.abc import Sequence

import numpy as np
import torch
from flint import arb
from torch import Tensor

from lipcert.norms import ball
from lipcert.norms.norm import Norm
from lipcert.rules.grouping import in_chunks
from lipcert.rules.narrow import is_narrow, normalised, within
from lipcert.rules.types import Fact, Node, Prover, Reach, Rule


def _forward(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    groups = inputs[0].reshape(len(inputs[0]), -1, node.attrs["features"])
    if node.attrs["centred"]:
        groups = groups - groups.mean(-1, keepdim=True)
    square = groups.square().mean(-1, keepdim=True)
    return (groups / torch.sqrt(square + node.attrs["eps"])).reshape(len(groups), *node.shape)


def _reach(node: Node, reaches: Sequence[Reach]) -> Reach:
    # |z_i| / √(Σz²/d + eps) <= √d, because z_i² <= Σz².
    size = np.nextafter(np.sqrt(node.attrs["features"]), np.inf)
    whole = Reach(np.full(node.shape, -size), np.full(node.shape, size))
    return within(whole, normalised(node, reaches[0]) if is_narrow(reaches[0]) else None)


def _least_square(node: Node, reach: Reach) -> arb:
    """A lower bound of the mean of squares of every group; 0 where the mean is subtracted first.

    What lies outside [1e-150, 1e150] is lowered into it, or to 0: its square leaves the normal range.
    """
    if node.attrs["centred"]:
        return arb(0)
    least = np.minimum(np.maximum(reach.lo, -reach.hi), 1e150)
    least = np.where(least < 1e-150, 0.0, least)
    least = np.broadcast_to(least, node.shape).reshape(-1, node.attrs["features"])
    return arb(float(np.square(least).mean(1).min())) * (1 - 2 * ball.gamma(node.attrs["features"] + 2))


def _gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb | None:
    # z is the group, centred: an orthogonal projection, so |Δz| <= |Δx|. Put w = (z, √(dε)); then the output is
    # √d times the first part of w/|w|, and |w| = √d √(mean z² + ε) >= √d m. Scaling w to length √d m is the
    # metric projection on a ball, which is nonexpansive for any two points outside it, convex set or not:
    # |y - y'| <= √d |w/|w| - w'/|w'|| <= |w - w'|/m = |z - z'|/m.
    # linf: |Δy|_∞ <= |Δy|_2 <= |Δx|_2/m <= √d |Δx|_∞/m, group by group.
    eps = arb(node.attrs["eps"])
    least = eps + _least_square(node, facts[0].reach)
    if not (eps >= 0 and least > 0):
        return None
    per_group = arb(1) if norm.inner == 2 else arb(node.attrs["features"]).sqrt()
    return facts[0].gain * per_group / least.sqrt()


def _size(node: Node, facts: Sequence[Fact]) -> arb:
    # |z|² / (Σz²/d + eps) <= d for each run of d entries: at most as many as the group has entries.
    groups = facts[0].groups
    assert groups is not None
    return groups.norm(np.ones(()))


NORMALISE = Rule(
    forward=_forward,
    reach=_reach,
    gain=_gain,
    groups=lambda node, groups: in_chunks(node.attrs["features"], node, groups),
    size=_size,
    needs="eps = 0 needs inputs whose mean of squares is bounded away from 0",
    source="with w = (z, √(dε)), normalising is the projection on a ball of radius √d·m, nonexpansive, over m",
)
