"""Rules for softmax, log-softmax and log-sum-exp along one axis; the other axes are mapped apart."""

from collections.abc import Sequence

import numpy as np
import torch
from flint import arb
from torch import Tensor

from lipcert.norms.norm import Norm
from lipcert.rules.grouping import along
from lipcert.rules.groups import Groups
from lipcert.rules.interval import outward
from lipcert.rules.types import Array, Fact, Grouping, Node, Prover, Reach, Rule


def _axis(node: Node) -> int:
    """The axis from the end, so that a batch axis in front does not move it."""
    return int(node.attrs["axis"])


def _terms(node: Node) -> int:
    return int(node.attrs["length"])


def _lines(node: Node, groups: Sequence[Groups]) -> Grouping:
    return along(_axis(node), node, groups)


def _softmax_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # J = diag(p) - ppᵀ is a covariance: vᵀJv = Var_p(v) <= (max v - min v)²/4 <= |v|²/2 (Popoviciu), so
    # |J|_2 <= 1/2; and Σ_j |J_ij| = 2 p_i (1 - p_i) <= 1/2. A mask leaves the softmax of fewer entries, and zeros.
    return facts[0].gain / 2


def _softmax_forward(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    x = inputs[0]
    if "keep" in node.consts:
        x = x.masked_fill(~node.consts["keep"], -torch.inf)
    return torch.softmax(x, _axis(node))


def _softmax_reach(node: Node, reaches: Sequence[Reach]) -> Reach:
    # Masked entries are 0.
    keep = node.consts["keep"].numpy() if "keep" in node.consts else np.ones(())
    return Reach(np.zeros(node.shape), np.broadcast_to(keep.astype(np.float64), node.shape))


SOFTMAX = Rule(
    forward=_softmax_forward,
    reach=_softmax_reach,
    gain=_softmax_gain,
    groups=_lines,
    source="|diag(p) - ppᵀ| <= 1/2 in l2 (Popoviciu) and in linf (row sums 2p(1-p))",
)


def _log_softmax_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # J = I - 1pᵀ. linf: 1 - p_i + Σ_{j≠i} p_j <= 2. l2: |J| is convex in p, so largest at a vertex e_i, where
    # |v - v_i 1|² <= n |v|²: the Laplacian of a star with n nodes has the largest eigenvalue n.
    factor = arb(_terms(node)).sqrt() if norm.inner == 2 else arb(2)
    return facts[0].gain * factor


def _log_softmax_reach(node: Node, reaches: Sequence[Reach]) -> Reach:
    # log p_i = x_i - logsumexp(x) >= lo_i - max hi - log n, and <= 0.
    top = np.max(reaches[0].hi, axis=_axis(node), keepdims=True) + _log_terms(node)
    if not reaches[0].bounded:
        return Reach(np.full(node.shape, -np.inf), np.zeros(node.shape))
    lo = reaches[0].lo - top
    return Reach(lo - _rounding(lo, top), np.zeros(node.shape))


def _log_terms(node: Node) -> float:
    return float(np.log(_terms(node))) * (1 + 1e-12)


def _rounding(*parts: Array) -> Array:
    """Covers a handful of roundings of numbers of these sizes."""
    return 1e-12 * sum((np.abs(part) for part in parts), np.zeros(())) + 1e-300


LOG_SOFTMAX = Rule(
    forward=lambda node, inputs: torch.log_softmax(inputs[0], _axis(node)),
    reach=_log_softmax_reach,
    gain=_log_softmax_gain,
    groups=_lines,
    source="|I - 1pᵀ| <= √n in l2 (a star's Laplacian) and 2 in linf",
)


def _logsumexp_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # The gradient is p: |p|_1 = 1 bounds it from linf, |p|_2 <= 1 from l2.
    return facts[0].gain


def _logsumexp_reach(node: Node, reaches: Sequence[Reach]) -> Reach:
    # max x <= logsumexp(x) <= max x + log n
    lo, hi = (np.max(end, axis=_axis(node)).reshape(node.shape) for end in (reaches[0].lo, reaches[0].hi))
    return outward(lo, hi + _log_terms(node), np.where(np.isfinite(hi), 1e-12 * np.abs(hi), 0.0) + 1e-300)


LOGSUMEXP = Rule(
    forward=lambda node, inputs: torch.logsumexp(inputs[0], _axis(node)).reshape(len(inputs[0]), *node.shape),
    reach=_logsumexp_reach,
    gain=_logsumexp_gain,
    groups=_lines,
    source="the gradient is a probability vector: |p|_1 = 1, |p|_2 <= 1",
)
