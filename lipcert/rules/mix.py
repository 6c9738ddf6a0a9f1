"""The rule for a sparse linear map: every output entry a sum of a few scaled entries of the input."""

from collections.abc import Sequence

import numpy as np
import torch
from flint import arb
from scipy.sparse import csr_array
from torch import Tensor

from lipcert.norms import ball
from lipcert.norms.norm import Norm
from lipcert.rules.groups import Groups, labelled, rows, whole
from lipcert.rules.interval import affine_forward, affine_reach, constant64
from lipcert.rules.types import Fact, Grouping, Linear, Node, Prover, Rule


def _apply(node: Node, inputs: Sequence[Tensor], absolute: bool) -> Tensor:
    entries = inputs[0].reshape(len(inputs[0]), -1)
    total = torch.zeros((), dtype=entries.dtype)
    for index, factor in zip(node.consts["index"], _factor(node, absolute), strict=True):
        total = total + factor * entries[:, index.clamp_min(0)]
    return total


def _factor(node: Node, absolute: bool) -> Tensor:
    """0 where there is no term."""
    factor = constant64(node, "factor")
    if not bool(((factor == 0) | ((factor.abs() > 1e-290) & (factor.abs() < 1e290))).all()):
        raise ValueError(f"{node.name}: factors below 1e-290 or above 1e290 are outside the error analysis")
    factor = torch.where(node.consts["index"] < 0, 0.0, factor)
    return factor.abs() if absolute else factor


def _terms(node: Node) -> int:
    return len(node.consts["index"]) + 1


def _ulps(node: Node) -> int:
    return int(node.attrs.get("ulps", 0))


def _linf(node: Node) -> arb:
    # The largest row sum of |L|; every factor is within `ulps` roundoffs.
    sums = _factor(node, absolute=True).sum(0)
    return arb(float(sums.max())) * (1 + 2 * ball.gamma(_terms(node) + 2 * _ulps(node)))


def _gram(node: Node, absolute: bool) -> float:
    """The largest sum of a row of |LᵀL|, computed for factors divided by a power of two that none exceeds."""
    factor, index = _factor(node, absolute).numpy(), node.consts["index"].numpy()
    used = factor != 0
    places = np.broadcast_to(np.arange(node.size).reshape(node.shape), index.shape)
    shape = (node.size, int(node.attrs["sizes"][0]))
    matrix = csr_array((factor[used] / _power(node), (places[used], index[used])), shape=shape)
    return float(abs(matrix.T @ matrix).sum(axis=1).max())


def _power(node: Node) -> float:
    return 2.0 ** int(np.frexp(float(_factor(node, absolute=True).max()))[1])


def _slack(node: Node) -> arb:
    """What rounding makes of an entry of LᵀL and of a sum of a row, relative to |L|ᵀ|L|.

    Of a factor, and of adding those at one place, twice; of a product; and of the sums over the outputs that an
    entry is in, and over the entries that these have. Underflow is apart.
    """
    index = node.consts["index"]
    outputs = int(torch.bincount(index[index >= 0], minlength=1).max())
    return ball.gamma(2 * (_terms(node) + _ulps(node)) + outputs * (_terms(node) + 1) + 4)


def _absolute(node: Node) -> arb:
    # | |L| |_2² <= | |L|ᵀ|L| |_∞
    return arb(_power(node)) * (arb(_gram(node, absolute=True)) * (1 + 2 * _slack(node)) + ball.UNDERFLOW).sqrt()


def _l2(node: Node) -> arb:
    # |L|_2² = |LᵀL|_2 <= |LᵀL|_∞ (LᵀL is symmetric). The computed one errs by at most γ |L|ᵀ|L|, entry by entry.
    # Of a rotation of pairs it is cos² + sin² on the diagonal, and 0 beside it.
    plain, absolute, slack = _gram(node, absolute=False), _gram(node, absolute=True), _slack(node)
    square = arb(plain) * (1 + 2 * slack) + 2 * slack * arb(absolute) + ball.UNDERFLOW
    return arb(_power(node)) * square.sqrt()


def _gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    return facts[0].gain * (_l2(node) if norm.inner == 2 else _linf(node))


def _groups(node: Node, groups: Sequence[Groups]) -> Grouping:
    """Entries of the output in the group that all of their terms are in; else all are together."""
    for given in (groups[0], rows(groups[0].shape)):
        index = node.consts["index"].numpy()
        taken = given.full.reshape(-1)[index.clip(0)]
        none, top = index < 0, int(given.labels.max()) + 1
        low, high = np.where(none, top, taken).min(0), np.where(none, -1, taken).max(0)
        if bool(((low == high) | none.all(0)).all()):
            return [given], labelled(low)
    return [whole(groups[0].shape)], whole(node.shape)


_LINEAR = Linear(apply=_apply, terms=_terms, absolute_norm=_absolute)

MIX = Rule(
    forward=affine_forward(_LINEAR),
    reach=affine_reach(_LINEAR),
    gain=_gain,
    linear=_LINEAR,
    groups=_groups,
    source="|L|_2² = |LᵀL|_2 <= |LᵀL|_∞, 1 for a rotation of pairs; the largest sum of |factors| in linf",
)
