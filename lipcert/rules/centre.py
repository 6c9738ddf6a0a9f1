"""The rule for x - mean(x) over runs of `features` consecutive entries."""

from collections.abc import Sequence

from flint import arb
from torch import Tensor

from lipcert.norms.norm import Norm
from lipcert.rules.grouping import in_chunks
from lipcert.rules.interval import affine_forward, affine_reach
from lipcert.rules.types import Fact, Linear, Node, Prover, Rule


def _features(node: Node) -> int:
    return int(node.attrs["features"])


def _apply(node: Node, inputs: Sequence[Tensor], absolute: bool) -> Tensor:
    # |I - 11ᵀ/d| is 1 - 1/d on the diagonal and 1/d beside it: (1 - 2/d)x + mean(x), and 0 for d = 1.
    groups = inputs[0].reshape(len(inputs[0]), -1, _features(node))
    mean = groups.mean(-1, keepdim=True)
    centred = groups * (1 - 2 / _features(node)) + mean if absolute else groups - mean
    return centred.reshape(len(groups), *node.shape)


def _gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # An orthogonal projection; its rows have the sum 1 - 1/d + (d - 1)/d.
    return facts[0].gain * (1 if norm.inner == 2 else 2 - 2 / arb(_features(node)))


# The computed x_i - mean errs by γ_{d+2} (|x_i| + mean|x|), which is at most 3 times the sum of |entries| · |x|:
# (1 - 2/d)|x_i| + mean|x|, with |x_i| <= 2 mean|x| for d = 2. For d = 1 both are 0.
# |I - 11ᵀ/d| = (1 - 2/d)I + 11ᵀ/d has the norm 2 - 2/d.
_LINEAR = Linear(
    apply=_apply,
    terms=lambda node: 3 * (_features(node) + 3),
    absolute_norm=lambda node: 2 - 2 / arb(_features(node)),
)

CENTRE = Rule(
    forward=affine_forward(_LINEAR),
    reach=affine_reach(_LINEAR),
    gain=_gain,
    linear=_LINEAR,
    groups=lambda node, groups: in_chunks(_features(node), node, groups),
    source="I - 11ᵀ/d is an orthogonal projection; its absolute rows have the sum 2 - 2/d",
)
