"""How far the logits of attention can move in an attention region: σ_h of `regions.attention`, a head."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from flint import arb
from jaxtyping import Float

from lipcert.norms import ball
from lipcert.norms.bilinear import core, product_error
from lipcert.norms.dense import frobenius_upper
from lipcert.rules.grouping import regroup
from lipcert.rules.groups import rows as rows_along
from lipcert.rules.regions.heads import Affine, Rows, affine, rows_of
from lipcert.rules.regions.meetings import Keep, Meetings, largest_norm, meetings
from lipcert.rules.regions.region import Region
from lipcert.rules.types import Fact, Node, Prover
from lipcert.rules.walk import gains

Matrix = Float[np.ndarray, "_ _"]


@dataclass(frozen=True)
class Logits:
    """deviations: for each query head a bound σ_h on the deviation of da_ts under any P_t, where all |dx_s| <= 1.

    maps: for each head an M_h with σ_h <= |M_h dx_t| R + |M_h x_t| + shifts[h], within errors[h] in Frobenius norm;
    none where queries or keys are no affine maps, or the heads' queries at one place are not of one token x_t.
    """

    deviations: list[arb]
    maps: list[Matrix] = field(default_factory=list)
    errors: list[arb] = field(default_factory=list)
    shifts: list[arb] = field(default_factory=list)


@dataclass(frozen=True)
class _Side:
    """Queries or keys: rows of a base. affine: where that is an affine map of the entry's tokens."""

    base: str
    rows: Rows
    affine: Affine | None


def logits(
    nodes: Mapping[str, Node], region: Region, node: Node, facts: Mapping[str, Fact], prover: Prover, key: str
) -> Logits | None:
    """None where a query or key has no bounded size or gain."""
    q, k = (_side(nodes, region, name) for name in node.inputs[:2])
    if q is None or k is None:
        return None
    scale, radius = abs(arb(float(node.attrs["scale"]))), facts[region.entry].size
    heads = int(np.prod(node.shape[:-2]))
    if q.affine is None or k.affine is None:
        (q_size, q_gain), (k_size, k_gain) = (_bounded(nodes, region, side, facts, prover) for side in (q, k))
        deviation = scale * (q_size * k_gain + k_size * q_gain)
        return Logits([deviation] * heads) if deviation.is_finite() else None
    keep = _keep(node, nodes[node.inputs[1]].shape[-2])
    forms = _Forms(q, k, q.affine, k.affine, keep, "filled" not in node.consts, prover, key)
    group = int(node.attrs["group"])
    found = [forms.of(head, head // group) for head in range(heads)]
    known = [part for part in found if part is not None]
    if len(known) < heads:
        return None
    deviations = [scale * (2 * part.norm * radius + part.shift) for part in known]
    if not q.rows.together:
        return Logits(deviations)
    return Logits(
        deviations,
        [part.map * abs(float(node.attrs["scale"])) for part in known],
        [scale * part.error + ball.gamma(1) * scale * frobenius_upper(part.map) + ball.UNDERFLOW for part in known],
        [scale * part.shift for part in known],
    )


def _side(nodes: Mapping[str, Node], region: Region, name: str) -> _Side | None:
    found = rows_of(nodes, name, region.entry)
    return None if found is None else _Side(*found, affine(nodes, found[0], region.entry))


def _bounded(
    nodes: Mapping[str, Node], region: Region, side: _Side, facts: Mapping[str, Fact], prover: Prover
) -> tuple[arb, arb]:
    """Size and gain of every row, operation by operation from the entry to the base."""
    known = replace(facts[side.base], gain=gains(nodes, region, side.base, facts, prover))
    fact, longest = regroup(known, rows_along(nodes[side.base].shape)), largest_norm(side.rows)
    return longest * _row_size(nodes[side.base], fact), longest * fact.gain


def _row_size(node: Node, fact: Fact) -> arb:
    """Of a fact whose groups are the rows. A row that was normalised has at most the root of its length."""
    if node.op == "normalise" and int(node.attrs["features"]) == node.shape[-1]:
        return fact.size.min(arb(node.shape[-1]).sqrt())
    return fact.size


def _keep(node: Node, keys: int) -> Keep | None:
    """The pairs that some head lets meet."""
    if "keep" not in node.consts:
        return None
    shape = (*node.shape[:-1], keys)
    wide = node.consts["keep"].expand(shape)
    kept: Keep = wide.reshape(-1, *shape[-2:]).any(dim=0).numpy()
    return kept


@dataclass(frozen=True)
class _Form:
    """One head, without the scale. norm: |W_QᵀNW_K| at the worst pair. shift: what the biases add. map, error: M_h."""

    norm: arb
    shift: arb
    map: Matrix
    error: arb


@dataclass
class _Forms:
    """The bilinear forms of all heads of one attention. alike: whether what moves all products of a row alike moves
    all its logits alike, so that softmax ignores it."""

    q: _Side
    k: _Side
    q_map: Affine
    k_map: Affine
    keep: Keep | None
    alike: bool
    prover: Prover
    key: str
    last: tuple[tuple[np.ndarray, ...], Meetings] | None = None

    def of(self, head: int, kv_head: int) -> _Form | None:
        """The shift is |W_KᵀNᵀb_Q| + |W_QᵀNb_K| at the worst pair; without the last where N is fixed and all logits
        of a row are products."""
        left, right = _weight(self.q_map, self.q.rows, head), _weight(self.k_map, self.k.rows, kv_head)
        cores = core(left, self.q_map.error), core(right, self.k_map.error)
        if cores[0] is None or cores[1] is None:
            return None
        met = self._meetings(head, kv_head)
        name = f"{self.key}, logits of head {head}"
        sizes = [self.prover.spectral(f"{name}, {part}", c)
                 for part, c in zip(("queries", "keys"), cores, strict=True) if c is not None]  # fmt: skip
        product = cores[0].T @ met.middles @ cores[1]
        rounding = product_error(cores[0], met.middles, cores[1])
        norm = self.prover.spectral(name, product) + rounding + met.spread * sizes[0] * sizes[1]
        shift = _moved(self.q_map, self.q.rows, head, met, right, self.k_map.error, sizes[1])
        fixed = self.q.rows.fixed and self.k.rows.fixed
        through = self._through_keys(left, cores[1], sizes[1], met) if fixed else self._through_any(left, sizes[1])
        if not (fixed and self.alike):
            turned = Meetings(met.middles.transpose(0, 2, 1), met.spread)
            shift += _moved(self.k_map, self.k.rows, kv_head, turned, left, self.q_map.error, sizes[0])
        return _Form(norm, shift, *through)

    def _meetings(self, head: int, kv_head: int) -> Meetings:
        """Of this head, or of the one before where both turn their queries and keys alike."""
        q, k = self.q.rows, self.k.rows
        turns = q.local[:, head], q.factor[:, head], k.local[:, kv_head], k.factor[:, kv_head]
        if self.last is None or not all(map(np.array_equal, turns, self.last[0])):
            self.last = turns, meetings(q, k, head, kv_head, self.keep)
        return self.last[1]

    def _through_keys(self, left: Matrix, keys: Matrix, size: arb, met: Meetings) -> tuple[Matrix, arb]:
        """M = L_KᵀNᵀW_Q where N is the same for all pairs."""
        turned = met.middles[0].T
        error = product_error(keys, turned, left) + size * met.spread * frobenius_upper(left)
        return keys.T @ turned @ left, error + size * (frobenius_upper(turned) + met.spread) * self.q_map.error

    def _through_any(self, left: Matrix, size: arb) -> tuple[Matrix, arb]:
        """M = |L_K||N| W_Q, as |L_KᵀNᵀu| <= |L_K||N||u| for every pair."""
        largest = ball.up(size * largest_norm(self.q.rows) * largest_norm(self.k.rows))
        error = arb(largest) * (self.q_map.error + ball.gamma(1) * frobenius_upper(left))
        return left * largest, error + ball.UNDERFLOW


def _weight(given: Affine, rows: Rows, head: int) -> Matrix:
    weight: Matrix = given.weight[rows.columns[head]]
    return weight


def _moved(
    given: Affine, rows: Rows, head: int, met: Meetings, other: Float[np.ndarray, "used entry"], error: arb, norm: arb
) -> arb:
    """|Wᵀ Nᵀ b| at the worst N, for the bias b of this side and the weight W of the other, known within `error`."""
    bias, size = given.bias[rows.columns[head]], given.size[rows.columns[head]]
    if not bool((size != 0).any()):
        return arb(0)
    turned = bias @ met.middles  # (bucket, used by the other)
    longest = frobenius_upper((turned @ other)[:, None])
    terms = sum(other.shape) + met.middles.shape[1] + given.terms + 16
    largest = frobenius_upper(size[None]) * frobenius_upper(met.middles)
    rounding = 4 * ball.gamma(terms) * largest * (frobenius_upper(other) + error) + largest * error
    rounding += ball.UNDERFLOW * (1 + frobenius_upper(other))
    return longest + rounding + met.spread * frobenius_upper(size[None]) * norm
