"""The rule for attention, softmax(scale·q kᵀ + bias, masked) v, from what is known of q, k and v.

Its constants: `bias`; `keep`, False where a logit is -infinity; `filled`, True where a logit is the bias alone.

The proof, for one row r of q. With fixed P the values move by Σ_s P_rs Δv_s, a mean. With fixed v, and P moved along
the segment between both logits, the row moves by a covariance under some P: Σ_s ΔP_rs v_s = ∫ Cov(Δa_r, v) dτ, at
most the deviation of Δa_r times that of v, so at most max_s|Δa_rs| · ρ_v for a ball of radius ρ_v that holds all v_s
(Kim, Papamakarios and Mnih 2021 show that no bound holds without one). Adding one vector to every k_s moves
all logits of a row alike, which softmax ignores: only the radius ρ_k of a ball round the keys counts. So
|Δy_r| <= max_s|Δv_s| + scale·ρ_v (|q_r| max_s|Δk_s| + ρ_k |Δq_r|). Where a mask fills logits with a finite constant
these do not move, and the others no longer move alike: then ρ_k is the longest key.
"""

from collections.abc import Sequence

import numpy as np
import torch
from flint import arb
from torch import Tensor

from lipcert.norms import ball
from lipcert.norms.norm import Norm
from lipcert.rules.groups import Groups, rows
from lipcert.rules.narrow import attended, is_narrow, within
from lipcert.rules.types import Array, Fact, Grouping, Node, Prover, Reach, Rule


def _forward(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    q, k, v = inputs
    repeat = int(node.attrs["group"])
    if repeat > 1:
        k, v = (x.repeat_interleave(repeat, dim=-3) for x in (k, v))
    logits = float(node.attrs["scale"]) * (q @ k.transpose(-1, -2))
    bias = node.consts["bias"].double() if "bias" in node.consts else torch.zeros((), dtype=torch.float64)
    logits = logits + bias
    if "filled" in node.consts:
        logits = torch.where(node.consts["filled"], bias, logits)
    if "keep" in node.consts:
        logits = logits.masked_fill(~node.consts["keep"], -torch.inf)
    mixed: Tensor = torch.softmax(logits, -1) @ v
    return mixed


def _reach(node: Node, reaches: Sequence[Reach]) -> Reach:
    near = attended(node, reaches) if all(map(is_narrow, reaches)) else None
    return within(_mean(node, reaches[2]), near)


def _mean(node: Node, v: Reach) -> Reach:
    """Of the values over the keys, entry by entry."""
    lo, hi = v.lo.min(axis=-2, keepdims=True), v.hi.max(axis=-2, keepdims=True)
    repeat = int(node.attrs["group"])
    if repeat > 1:
        lo, hi = (np.repeat(end, repeat, axis=-3) for end in (lo, hi))
    return Reach(np.broadcast_to(lo, node.shape), np.broadcast_to(hi, node.shape))


def _groups(node: Node, groups: Sequence[Groups]) -> Grouping:
    """Rows of q, k and v each in one group; a row of the output is in that of its query."""
    needed = [given if given.constant_along(-1) else rows(given.shape) for given in groups]
    return needed, Groups(needed[0].labels, node.shape)


def _gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb | None:
    q, k, v = facts
    order = 2 if norm.inner == 2 else 1
    query = _longest(q.reach, order)
    key = _longest(k.reach, order) if "filled" in node.consts else _radius(k.reach, order)
    value = _radius(v.reach, norm.inner)
    if norm.by_token:
        query, key, value = query.min(q.size), key.min(k.size), value.min(v.size)
    scale, spread, reading = abs(arb(float(node.attrs["scale"]))), arb(1), arb(1)
    if norm.by_token:
        # Of the rows r of one group each reads one group of v: their squares add up to at most that many |Δv|².
        # Σ_r |q_r|² max_s|Δk_s|² is at most |q|_g² |Δk|², or that many times the longest row.
        reading = _most_rows(q).sqrt()
        query = (reading * query).min(q.size)
    elif norm.inner == 2:
        # Σ_r Σ_s P_rs |Δv_s|² <= Σ_s |Δv_s|² · (queries that read v_s), and so for Δk.
        reading = spread = arb(node.shape[-2] * int(node.attrs["group"])).sqrt()
    gain = reading * v.gain + scale * value * (spread * query * k.gain + key * q.gain)
    return gain if gain.is_finite() else None


def _most_rows(fact: Fact) -> arb:
    """How many rows the largest group has."""
    assert fact.groups is not None
    labels = fact.groups.full[..., 0].reshape(-1)
    return arb(int(np.unique(labels, return_counts=True)[1].max()))


def _size(node: Node, facts: Sequence[Fact]) -> arb:
    return _most_rows(facts[0]).sqrt() * facts[2].size


def _longest(reach: Reach, order: int | str) -> arb:
    """A bound on the norm of every row along the last axis."""
    return _row_norm(reach.magnitude, order)


def _radius(reach: Reach, order: int | str) -> arb:
    """The radius of a ball that holds every row of one head, whatever its place: half of the box that holds them."""
    lo, hi = reach.lo.min(axis=-2), reach.hi.max(axis=-2)
    with np.errstate(invalid="ignore", over="ignore"):
        half = np.nextafter(hi / 2 - lo / 2, np.inf)
    return _row_norm(np.where(np.isfinite(half), half, np.inf), order)


def _row_norm(magnitude: Array, order: int | str) -> arb:
    if not bool(np.isfinite(magnitude).all()):
        return arb("inf")
    if order == "inf":
        return arb(float(magnitude.max()))
    slack = 1 + 2 * ball.gamma(magnitude.shape[-1] + 4)
    if order == 1:
        return arb(float(magnitude.sum(axis=-1).max())) * slack + ball.UNDERFLOW
    peak = float(magnitude.max())
    if peak == 0:
        return arb(0)
    squares = float(np.square(magnitude / peak).sum(axis=-1).max())
    return arb(peak) * (arb(squares) * slack + ball.UNDERFLOW).sqrt()


ATTENTION = Rule(
    forward=_forward,
    reach=_reach,
    gain=_gain,
    groups=_groups,
    size=_size,
    needs="attention needs queries, keys and values of bounded size (Kim, Papamakarios and Mnih 2021)",
    source="a mean of Δv, and a covariance: at most max|Δlogits| times the radius of a ball that holds the values",
)
