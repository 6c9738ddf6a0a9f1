"""The rule for functions applied entry by entry; what is known of each function is in `pointwise`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from flint import arb
from torch import Tensor

from lipcert.norms.norm import Norm
from lipcert.rules.grouping import same
from lipcert.rules.groups import once
from lipcert.rules.pointwise import POINTWISE
from lipcert.rules.types import Array, Fact, Node, Prover, Reach, Rule


def _parameters(node: Node) -> dict[str, Any]:
    """Numbers, or arrays that broadcast against the node (a slope a channel)."""
    given = node.attrs["parameters"]
    return {key: np.array(value) if isinstance(value, list) else value for key, value in given.items()}


def _forward(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    return POINTWISE[node.attrs["function"]].forward(inputs[0], **_parameters(node))


def _reach(node: Node, reaches: Sequence[Reach]) -> Reach:
    lo, hi = (once(end) for end in (reaches[0].lo, reaches[0].hi))
    ends = POINTWISE[node.attrs["function"]].range(lo, hi, **_parameters(node))
    return Reach(*(np.broadcast_to(end, node.shape) for end in ends))


def _slopes(node: Node, reach: Reach) -> tuple[Array, Array]:
    return POINTWISE[node.attrs["function"]].slopes(once(reach.lo), once(reach.hi), **_parameters(node))


def _size(node: Node, facts: Sequence[Fact]) -> arb:
    # |φ(x)| <= |φ(0)| + sup|secant slope from 0| |x| entry by entry, or |x| itself.
    fact, function = facts[0], POINTWISE[node.attrs["function"]]
    assert fact.groups is not None
    if function.shrinks:
        return fact.size
    with_zero = Reach(np.minimum(once(fact.reach.lo), 0.0), np.maximum(once(fact.reach.hi), 0.0))
    steepest = max(float(np.abs(end).max()) for end in _slopes(node, with_zero))
    at_zero = np.abs(function.range(np.zeros(()), np.zeros(()), **_parameters(node))).max()
    if not (np.isfinite(steepest) and np.isfinite(at_zero)):
        return arb("inf")
    return fact.size * arb(steepest) + fact.groups.norm(at_zero)


def _gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb | None:
    # Each |Δy_i| = |secant slope| |Δx_i|, so |Δy| <= sup |slope| · |Δx| in every norm of entries.
    lo, hi = _slopes(node, facts[0].reach)
    steepest = float(np.maximum(np.abs(lo), np.abs(hi)).max())
    return facts[0].gain * arb(steepest) if np.isfinite(steepest) else None


ENTRYWISE = Rule(
    forward=_forward,
    reach=_reach,
    gain=_gain,
    slopes=_slopes,
    groups=same,
    size=_size,
    needs="this function is Lipschitz only on a bounded range",
    source="|Δφ| <= sup|secant slope| |Δx| entry by entry, over the interval that the input can reach",
)
