"""Attention with the linear layers round it, bounded as a whole, token by token.

Let x_s be the tokens at the entry, |x_s| <= R and |Δx_s| <= 1, and let each head h read them as v = W_V x + b_V and
have logits a_ts = s·q_t·k_s. As in `rules.attention`, on the convex set of all |x_s| <= R,

    |dy_t| <= | Σ_h O_h W_V^h z^h |,   z^h = Σ_s P_ts dx_s + Σ_s dP_ts x_s,   |z^h| <= 1 + R σ_h,

because Σ_s P_ts dx_s is a mean and Σ_s dP_ts x_s a covariance under P_t, at most the deviation of x (<= R) times that
of da_t (<= σ_h); b_V drops out as Σ_s dP_ts = 0. With q = R_t(W_Q x + b_Q) and k = R'_s(W_K x + b_K), N = R_tᵀR'_s,

    da_ts = s (dx_tᵀ W_Qᵀ N (W_K x_s + b_K) + (W_Q x_t + b_Q)ᵀ N W_K dx_s),
    σ_h <= s (2 |W_QᵀNW_K| R + |W_KᵀNᵀb_Q| + |W_QᵀN b_K|)  at the worst pair (t, s).

Where N is the same for all pairs, b_K moves all logits of a row alike and its term drops out (softmax ignores it),
unless a mask fills some of them with constants. A
query or key that comes another way (normalised, say) is bounded by its size and gain instead.
That is of a row of the exit; a group of it may hold several, and is as long as the root of their number times one.
The heads are then joined in three ways, and the smallest sum counts. For any w_h > 0
    | Σ_h O_h W_V^h z^h | <= Σ_h |O_h W_V^h| |z^h|   and   <= |[O_h W_V^h / w_h]_h| √Σ_h w_h² |z^h|²,
and in the latter, where all heads share the query's token, σ_h <= |M_h dx_t| R + |M_h x_t| + β_h for a matrix M_h gives
    √Σ_h w_h² |z^h|² <= √Σ_h w_h² + R (2R |[w_h M_h]_h| + √Σ_h w_h² β_h²),   the M_h on top of each other.
Every |A W| is that of |A L| for a core L of W (`norms.bilinear`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb

from lipcert.norms import ball
from lipcert.norms.bilinear import product_error
from lipcert.norms.dense import frobenius_upper
from lipcert.rules.groups import rows
from lipcert.rules.regions.logits import Logits, logits
from lipcert.rules.regions.region import Region, Whole
from lipcert.rules.regions.values import Values, values
from lipcert.rules.types import Fact, Node, Prover


@dataclass(frozen=True)
class _Way:
    """One way to join the heads. value: for |z^h| <= 1. softmax, gain: for |z^h| = Rσ_h, and for both together."""

    value: arb
    softmax: arb
    gain: arb


def prove_attention(
    nodes: Mapping[str, Node], region: Region, facts: Mapping[str, Fact], prover: Prover, key: str
) -> Whole | None:
    """None where the region is no attention between linear maps of its entry's tokens, or that has no bounded size."""
    found = [name for name in region.members if nodes[name].op == "attention"]
    radius = facts[region.entry].size
    if len(found) != 1 or not radius.is_finite() or not _tokens_are_rows(facts[region.entry]):
        return None
    node = nodes[found[0]]
    read = values(nodes, region, node, prover, key)
    spread = logits(nodes, region, node, facts, prover, key) if read is not None else None
    if read is None or spread is None:
        return None
    return _grouped(_joined(read, spread, radius, prover, key), facts[region.exit])


def _tokens_are_rows(fact: Fact) -> bool:
    """Whether every row of the entry is a group of its own."""
    groups = fact.groups
    assert groups is not None
    return groups.constant_along(-1) and len(np.unique(groups.labels)) == int(np.prod(groups.shape[:-1]))


def _grouped(proved: Whole, last: Fact) -> Whole:
    """What holds of every row, for the groups of the exit: queries that one token is repeated for share a group."""
    assert last.groups is not None
    meeting = arb(rows(last.groups.shape).crowding(last.groups)).sqrt()
    paths = {name: part * meeting for name, part in proved.paths.items()}
    return Whole(proved.gain * meeting, proved.size * meeting, paths)


def _joined(read: Values, spread: Logits, radius: arb, prover: Prover, key: str) -> Whole:
    ways = [_apart(read, spread, radius, prover, key), *_side_by_side(read, spread, radius, prover, key)]
    best = min(ways, key=lambda way: ball.up(way.gain))
    size = min((way.value for way in ways), key=ball.up) * radius + read.offset
    return Whole(best.gain, size, {"value": best.value, "softmax": best.softmax})


def _apart(read: Values, spread: Logits, radius: arb, prover: Prover, key: str) -> _Way:
    """The sum over the heads of |O_h W_V^h| |z^h|."""
    norms = []
    for head, (out, core) in enumerate(zip(read.outputs, read.cores, strict=True)):
        proved = prover.spectral(f"{key}, output of head {head}", out @ core)
        norms.append(proved + product_error(out, core) + _slack(read, head))
    value = sum(norms, arb(0))
    softmax = sum((n * radius * sigma for n, sigma in zip(norms, spread.deviations, strict=True)), arb(0))
    return _Way(value, softmax, value + softmax)


def _slack(read: Values, head: int) -> arb:
    """What the error of O_h changes of O_h L_h."""
    return read.errors[head] * read.norms[head]


def _side_by_side(read: Values, spread: Logits, radius: arb, prover: Prover, key: str) -> Iterator[_Way]:
    """The heads' matrices next to each other, each over w_h, the norm of its values; with σ_h head by head, and
    with that of all heads together."""
    weights = [max(ball.up(norm), 1e-100) for norm in read.norms]
    joined = _outputs_of_all(read, weights, prover, key)
    value, softmax, both = (
        joined * _length(weights, lengths)
        for lengths in (
            [arb(1)] * len(weights),
            [radius * sigma for sigma in spread.deviations],
            [1 + radius * sigma for sigma in spread.deviations],
        )
    )
    yield _Way(value, softmax, both)
    if spread.maps and read.together:
        moved = 2 * radius * _logits_of_all(spread, weights, prover, key) + _length(weights, spread.shifts)
        yield _Way(value, joined * radius * moved, value + joined * radius * moved)


def _length(weights: Sequence[float], parts: Sequence[arb]) -> arb:
    return sum(((arb(w) * part) ** 2 for w, part in zip(weights, parts, strict=True)), arb(0)).sqrt()


def _outputs_of_all(read: Values, weights: Sequence[float], prover: Prover, key: str) -> arb:
    """|[O_h L_h / w_h]_h|."""
    blocks, error = [], arb(0)
    for head, (out, core) in enumerate(zip(read.outputs, read.cores, strict=True)):
        blocks.append(out @ core / weights[head])
        formed = (product_error(out, core) + _slack(read, head)) / arb(weights[head])
        error += (formed + ball.gamma(1) * frobenius_upper(blocks[-1]) + ball.UNDERFLOW) ** 2
    return prover.spectral(f"{key}, outputs of all heads", np.concatenate(blocks, axis=1)) + error.sqrt()


def _logits_of_all(spread: Logits, weights: Sequence[float], prover: Prover, key: str) -> arb:
    """|[w_h M_h]_h|, the M_h on top of each other."""
    blocks, error = [], arb(0)
    for weight, part, off in zip(weights, spread.maps, spread.errors, strict=True):
        blocks.append(weight * part)
        error += (arb(weight) * off + ball.gamma(1) * frobenius_upper(blocks[-1]) + ball.UNDERFLOW) ** 2
    return prover.spectral(f"{key}, logits of all heads", np.concatenate(blocks)) + error.sqrt()
