"""Where a query meets a key: the matrices N between the columns that a head's queries and its keys use.

q_t · k_s = base_t[columns]ᵀ N_ts base_s[columns'], N_ts = R_tᵀ R'_s. Rotated positions make N_ts a function of s - t
up to the rounding of their tables, so the pairs are put into one bucket for each offset s - t: a matrix in the
middle of the bucket, and how far from it in Frobenius norm its members lie. That holds for any R and R'.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from flint import arb
from jaxtyping import Bool, Float, Int

from lipcert.norms import ball
from lipcert.rules.regions.heads import Rows

Keep = Bool[np.ndarray, "queries keys"]
Pairs = tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]


@dataclass(frozen=True)
class Meetings:
    """|N_ts - middles[b]|_F <= spread for every pair of a query t and a key s, b its bucket."""

    middles: Float[np.ndarray, "buckets used used_by_keys"]
    spread: arb


def meetings(q: Rows, k: Rows, head: int, kv_head: int, keep: Keep | None) -> Meetings:
    """Of one head and the head that its keys come from. keep: which pairs count; None for all."""
    left, right = q.factor[:, head], k.factor[:, kv_head]
    entry = q.local[:, None, head, :] * k.columns.shape[1] + k.local[None, :, kv_head, :]
    places, which = np.unique(entry.reshape(-1), return_inverse=True)
    select = np.eye(len(places))[which.reshape(-1)]
    middles, widest = [], 0.0
    for at, to in _buckets(left.shape[1], right.shape[1], q.fixed and k.fixed, keep):
        products = left[:, None, at, :] * right[None, :, to, :]  # (term, term, pair, feature)
        entries = products.transpose(2, 0, 1, 3).reshape(len(at), -1) @ select
        low, high = entries.min(axis=0), entries.max(axis=0)
        middle = low / 2 + high / 2
        widest = max(widest, float(np.square(np.maximum(high - middle, middle - low)).sum()))
        middles.append(middle)
    spread = (arb(widest) * (1 + 2 * ball.gamma(len(places) + 4)) + ball.UNDERFLOW).sqrt()
    longest = arb(float(np.abs(left).max())) * arb(float(np.abs(right).max())) * len(select)
    rounding = ball.gamma(len(select) + q.ulps + k.ulps + 4) * longest * arb(len(places)).sqrt()
    wide = np.zeros((len(middles), q.columns.shape[1] * k.columns.shape[1]))
    wide[:, places] = middles
    wide = wide.reshape(-1, q.columns.shape[1], k.columns.shape[1])
    return Meetings(wide, spread + rounding + ball.UNDERFLOW)


def _buckets(queries: int, keys: int, fixed: bool, keep: Keep | None) -> Iterator[Pairs]:
    """Pairs (t, s) by their offset s - t, those that count; one pair stands for all where none depends on it."""
    if fixed:
        yield np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        return
    for offset in range(1 - queries, keys):
        at = np.arange(max(0, -offset), min(queries, keys - offset))
        if keep is not None:
            at = at[keep[at, at + offset]]
        if len(at):
            yield at, at + offset


def largest_norm(rows: Rows) -> arb:
    """A bound on the l2 norm of every R_t: |R|² = |RᵀR| <= the largest absolute row sum of RᵀR."""
    worst, before = arb(0), None
    for head in range(len(rows.columns)):
        given = rows.local[:, head], rows.factor[:, head]
        if before is not None and all(np.array_equal(*pair) for pair in zip(given, before, strict=True)):
            continue  # most often all heads rotate alike
        before = given
        local, factor = rows.local[:, head], rows.factor[:, head]
        used = rows.columns.shape[1]
        entry = (local[:, None, :] * used + local[None, :, :]).reshape(-1)
        places, which = np.unique(entry, return_inverse=True)
        products = (factor[:, None] * factor[None]).transpose(2, 0, 1, 3).reshape(factor.shape[1], -1)
        sums = np.abs(products @ np.eye(len(places))[which.reshape(-1)])
        row = np.eye(used)[places // used]
        count = products.shape[1]
        error = ball.gamma(count + 2 * rows.ulps + 4) * arb(float(np.abs(factor).max())) ** 2 * count
        worst = worst.max(arb(float((sums @ row).max())) * (1 + ball.gamma(count + 4)) + error * len(places))
    return (worst + ball.UNDERFLOW).sqrt()
