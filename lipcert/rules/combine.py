"""Rules for operations on two or more activations: sums, products, matrix products, extrema."""

from collections.abc import Sequence

import numpy as np
import torch
from flint import arb
from torch import Tensor

from lipcert.norms import ball
from lipcert.norms.norm import Norm
from lipcert.rules.arrange import largest
from lipcert.rules.grouping import alike
from lipcert.rules.interval import affine_forward, entrywise_reach, outward
from lipcert.rules.types import Array, Fact, Linear, Node, Prover, Reach, Rule


def _sum_apply(node: Node, inputs: Sequence[Tensor], absolute: bool) -> Tensor:
    factors = [abs(c) if absolute else c for c in node.attrs["coefficients"]]
    total: Tensor = factors[0] * inputs[0]
    for c, x in zip(factors[1:], inputs[1:], strict=True):
        total = total + c * x
    return total


def _sum_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # |Σ c_k Δx_k| <= Σ |c_k| |Δx_k|
    pairs = zip(node.attrs["coefficients"], facts, strict=True)
    return sum((abs(arb(c)) * fact.gain for c, fact in pairs), arb(0))


def _sum_absolute(node: Node) -> arb:
    # Over the joined inputs [c_1 I, c_2 I, …] has norm √Σ c².
    return sum((arb(c) ** 2 for c in node.attrs["coefficients"]), arb(0)).sqrt()


_SUM = Linear(apply=_sum_apply, terms=lambda node: len(node.inputs) + 1, absolute_norm=_sum_absolute)

SUM = Rule(
    forward=affine_forward(_SUM),
    reach=entrywise_reach(_SUM),
    gain=_sum_gain,
    linear=_SUM,
    groups=alike,
    source="|ΣcΔx| <= Σ|c||Δx| (triangle inequality)",
)


def _corners(a: Reach, b: Reach) -> Reach:
    with np.errstate(invalid="ignore", over="ignore"):
        products = [np.nan_to_num(p * q, nan=0.0, posinf=np.inf, neginf=-np.inf)
                    for p in (a.lo, a.hi) for q in (b.lo, b.hi)]  # fmt: skip
    # 0 · ∞ counts as 0: the corner is a limit of products with a factor 0.
    return outward(np.minimum.reduce(products), np.maximum.reduce(products))


def _product_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb | None:
    # a b - a' b' = a (b - b') + (a - a') b', entry by entry: max|a| |Δb| + max|b| |Δa|.
    a, b = facts
    if not (a.reach.bounded and b.reach.bounded):
        return None
    return _largest_entry(a) * b.gain + _largest_entry(b) * a.gain


def _product_size(node: Node, facts: Sequence[Fact]) -> arb:
    # |a ⊙ b| <= max|a| |b|, and the other way round.
    a, b = facts
    return (_largest_entry(a) * b.size).min(_largest_entry(b) * a.size)


def _largest_entry(fact: Fact) -> arb:
    return arb(float(fact.reach.magnitude.max()))


PRODUCT = Rule(
    forward=lambda node, inputs: inputs[0] * inputs[1],
    reach=lambda node, reaches: _corners(reaches[0], reaches[1]),
    gain=_product_gain,
    groups=alike,
    size=_product_size,
    needs="a product of activations needs both bounded",
    source="ab - a'b' = a(b - b') + (a - a')b': max|a| g_b + max|b| g_a",
)


def _matmul_reach(node: Node, reaches: Sequence[Reach]) -> Reach:
    # |Σ a b| <= Σ |a||b|; a crude box is enough where a magnitude is all that is asked.
    a, b = (reach.magnitude for reach in reaches)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Reach(np.full(node.shape, -np.inf), np.full(node.shape, np.inf))
    size = np.matmul(a, b)
    return outward(-size, size, 2 * ball.up(ball.gamma(a.shape[-1] + 2)) * size + 2.0**-1000)


def _operator(a: Array, norm: Norm, axis: int) -> arb:
    """A bound on every matrix with |entries| <= a: √(|a|_1 |a|_∞) in l2, the sums over `axis` in linf."""
    slack = 1 + 2 * ball.gamma(max(a.shape[-2:]) + 2)
    rows, columns = (arb(float(a.sum(ax).max())) * slack for ax in (-1, -2))
    if norm.inner == 2:
        return (rows * columns).sqrt()
    return rows if axis == -1 else columns


def _matmul_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb | None:
    # AB - A'B' = A(B - B') + (A - A')B'. Frobenius: |AΔB|_F <= |A|_2 |ΔB|_F; largest entry: row sums of A
    # times that of ΔB, column sums of B times that of ΔA.
    a, b = facts
    if not (a.reach.bounded and b.reach.bounded):
        return None
    left = _operator(a.reach.magnitude, norm, -1)
    right = _operator(b.reach.magnitude, norm, -2)
    return left * b.gain + right * a.gain


MATMUL = Rule(
    forward=lambda node, inputs: torch.matmul(inputs[0], inputs[1]),
    reach=_matmul_reach,
    gain=_matmul_gain,
    needs="a matrix product of activations needs both bounded",
    source="AB - A'B' = A(B - B') + (A - A')B'",
)


def _extremum_forward(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    pick = torch.maximum if node.attrs["kind"] == "max" else torch.minimum
    return pick(inputs[0], inputs[1])


def _extremum_reach(node: Node, reaches: Sequence[Reach]) -> Reach:
    pick = np.maximum if node.attrs["kind"] == "max" else np.minimum
    return Reach(pick(reaches[0].lo, reaches[1].lo), pick(reaches[0].hi, reaches[1].hi))


def _extremum_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # |max(a, b) - max(a', b')| <= max(|Δa|, |Δb|) entry by entry; its square is at most Δa² + Δb².
    gains = [fact.gain for fact in facts]
    if norm.inner == "inf":
        return largest(gains)
    return sum((gain**2 for gain in gains), arb(0)).sqrt()


EXTREMUM = Rule(
    forward=_extremum_forward,
    reach=_extremum_reach,
    gain=_extremum_gain,
    groups=alike,
    source="|max(a,b) - max(a',b')| <= max(|Δa|, |Δb|) entrywise: √(g_a² + g_b²) in l2, the larger in linf",
)
