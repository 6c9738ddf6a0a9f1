"""The linf gain of a region: a matrix to the entry and an entrywise remainder.

Every increment is carried as  Δz = C Δx + e,  |e| <= r |Δx|_∞ entry by entry. Then |Δz|_∞ <= max_i (|C_i|_1
+ r_i) |Δx|_∞. Linear maps give (LC, |L| r). A slope σ in [m - ρ, m + ρ] gives σ Δz = m C Δx + (m e + (σ - m) Δz),
so (m C, |m| r + ρ (|C|_1 + r)). This is the sum over all activation patterns of Combettes and Pesquet (2020),
carried forward; it is never above the product of the entrywise absolute maps, nor that of norms. No witness
is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from flint import arb
from torch import Tensor

from lipcert.norms import ball
from lipcert.rules.regions.region import Region, bends
from lipcert.rules.table import RULES
from lipcert.rules.types import Node, Reach


@dataclass(frozen=True)
class Affine:
    """columns: C as a batch of n_entry tensors of the node's shape; rest: r, of the node's shape."""

    columns: Tensor
    rest: Tensor

    @property
    def rows(self) -> Tensor:
        """|C_i|_1 rounded up, of the node's shape."""
        return self.columns.abs().sum(0) * _above(len(self.columns))


def _above(terms: int) -> float:
    """A factor that lifts a computed sum of `terms` nonnegative products above the true one."""
    return 1 + ball.up(4 * ball.gamma(terms + 4))


def prove_remainder(nodes: Mapping[str, Node], region: Region, reaches: Mapping[str, Reach]) -> arb | None:
    """The region's linf gain; None where it is not finite."""
    entry = nodes[region.entry]
    eye = torch.eye(entry.size, dtype=torch.float64).reshape(entry.size, *entry.shape)
    values = {region.entry: Affine(eye, torch.zeros(entry.shape, dtype=torch.float64))}
    last_use = {name: place for place, member in enumerate(region.members) for name in nodes[member].inputs}
    for place, name in enumerate(region.members):
        node = nodes[name]
        inputs = [values[i] for i in node.inputs]
        values[name] = _bend(node, inputs, reaches) if bends(node) else _linear(node, inputs)
        for used in {i for i in node.inputs if last_use[i] == place}:
            del values[used]
    done = values[region.exit]
    worst = float((done.rows + done.rest).max()) * _above(2)
    return arb(worst) if np.isfinite(worst) else None


def _linear(node: Node, inputs: list[Affine]) -> Affine:
    linear = RULES[node.op].linear
    assert linear is not None
    terms = linear.terms(node)
    columns = linear.apply(node, [part.columns for part in inputs], False)
    # fl(LC) errs by at most γ |L||C|, whose rows sum to γ |L| |C|_1: that joins the remainder.
    rounding = ball.up(2 * ball.gamma(terms + node.attrs.get("ulps", 0)))
    spread = [(part.rest + rounding * part.rows)[None] for part in inputs]
    rest = linear.apply(node, spread, True)[0] * _above(terms + node.attrs.get("ulps", 0)) + 2.0**-900
    return Affine(columns, rest)


def _bend(node: Node, inputs: list[Affine], reaches: Mapping[str, Reach]) -> Affine:
    if node.op == "extremum":
        return _extremum(*inputs)
    slopes = RULES[node.op].slopes
    assert slopes is not None
    ends = slopes(node, reaches[node.inputs[0]])
    lo, hi = (torch.from_numpy(np.broadcast_to(end, node.shape).copy()) for end in ends)
    return _slope(inputs[0], lo, hi)


def _extremum(a: Affine, b: Affine) -> Affine:
    """Δ max(a, b) = Δb + σ(Δa - Δb) with 0 <= σ <= 1 entry by entry, and so it is for min.

    That is (A + B)/2 Δx, at most |A - B|_1/2 |Δx|_∞ beside it, and a mean of both errors; or, where it is
    less, at most the larger of both increments and nothing known of its direction.
    """
    middle, half = (Affine(a.columns / 2 + sign * (b.columns / 2), a.rest) for sign in (1.0, -1.0))
    rounding = 2.0**-52 * (a.rows + b.rows)  # of both sums, and of their halves
    rest = (torch.maximum(a.rest, b.rest) + half.rows + rounding) * _above(4) + 2.0**-900
    largest = torch.maximum(a.rows + a.rest, b.rows + b.rest) * _above(1)
    crude = middle.rows + rest > largest
    return Affine(torch.where(crude, 0.0, middle.columns), torch.where(crude, largest, rest))


def _slope(part: Affine, lo: Tensor, hi: Tensor) -> Affine:
    middle = lo / 2 + hi / 2
    radius = torch.maximum(hi - middle, middle - lo) * _above(1)
    # m C is rounded once: 2u |m||C| covers it.
    rest = middle.abs() * part.rest + radius * (part.rows + part.rest) + 2.0**-52 * middle.abs() * part.rows
    return Affine(middle * part.columns, rest * _above(6) + 2.0**-900)
