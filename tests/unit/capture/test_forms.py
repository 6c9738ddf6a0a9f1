"""Operations without a rule, and forms of others that have no proof, are refused with the reason."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import ExportedProgram

from lipcert.errors import UnsupportedError
from lipcert.graph.capture import capture, lower
from lipcert.graph.program import find_output, functional
from tests.unit.capture.captured import IMAGE, Lambda, refusal


class Doubled(nn.Module):
    """Two branches, with operations without a rule in both."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Lambda(torch.sign)
        self.second = nn.Sequential(Lambda(lambda x: x.topk(2, 1)[0]), nn.ReLU(), Lambda(lambda x: x.cumsum(1)))
        self.third = Lambda(torch.sign)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)) + self.third(x)[:, :2]


def test_all_operations_without_a_rule_are_named_at_once_with_their_modules() -> None:
    message = refusal(UnsupportedError, Doubled(), IMAGE)
    assert "aten.sign.default: it jumps, so it has no Lipschitz constant\n    at first, third" in message
    assert "aten.topk.default: no rule for this operation\n    at second.0" in message
    assert "aten.cumsum.default: no rule for this operation\n    at second.2" in message
    assert "relu" not in message


attend = F.scaled_dot_product_attention

FORMS: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (torch.round, "aten.round.default: it jumps"),
    (lambda x: (x > 0) * x, "aten.gt.Scalar: it jumps"),
    (lambda x: x // 2, "it jumps"),
    (lambda x: x.int().float(), "a cast to torch.int32 jumps"),
    (lambda x: x.sum(1, dtype=torch.int64), "its values are torch.int64"),
    (lambda x: x.max(1)[1].float(), "this output of the operation before it"),
    (lambda x: x.view(torch.int32).float(), "aten.view.dtype"),
    (lambda x: (x * 1j).abs(), "aten.mul.Tensor: this form of it"),
    (lambda x: x.masked_fill(torch.eye(6) > 0, torch.inf).softmax(-1), "fills with +infinity or NaN"),
    (lambda x: x + torch.full((6, 6), torch.inf).triu(1), "infinite or NaN"),
    (lambda x: x.masked_fill(x > 0, -torch.inf).softmax(-1), "aten.gt.Scalar: it jumps"),
    (lambda x: x + torch.full((6, 6), -torch.inf).triu(1), "aten.add.Tensor at (top level): an infinite mask that no"),
    (lambda x: x.masked_fill(torch.eye(6) > 0, -torch.inf).relu(), "aten.relu.default at (top level): an infinite"),
    (lambda x: x.masked_fill(torch.eye(6) > 0, -torch.inf).log_softmax(-1), "aten.log_softmax.int at (top level): an"),
    (lambda x: (-x.masked_fill(torch.eye(6) > 0, -torch.inf)).softmax(-1), "aten.neg.default at (top level): an infin"),
    (lambda x: F.max_pool2d(F.pad(x, (1, 1), value=-torch.inf), 2), "aten.max_pool2d.default at (top level): an inf"),
    (lambda x: x.masked_fill(torch.eye(6)[:1].T > 0, -torch.inf).softmax(-1), "softmax is masked everywhere"),
    (lambda x: attend(x, x, x, torch.eye(6)[:1].T == 0), "softmax is masked everywhere"),
    (lambda x: attend(x, x, x, x @ x), "a mask that depends on the input"),
    (lambda x: attend(x, x, x, torch.eye(6) / 0), "infinity or NaN"),
    (lambda x: attend(x, x, x, scale=torch.inf), "the scale inf"),
    (lambda x: attend(x, x, x, dropout_p=0.1), "it is random"),
    (lambda x: x / 0, "infinite or NaN"),
    (lambda x: x * 1e-300, "a factor below 1e-290"),
    (lambda x: x**2.5, "the exponent 2.5"),
    (lambda x: x.clamp(1, 0), "min 1 above max 0"),
    (lambda x: F.softplus(x, threshold=3), "softplus with threshold = 3"),
    (lambda x: F.softplus(x.double()).float(), "by more than rounding in torch.float64"),
    (lambda x: F.celu(x, -1.0), "aten.celu.default"),
    (lambda x: F.linear(x, x[0, 0]), "weights that depend on the input"),
    (lambda x: F.conv2d(x, x[:, :, :3, :3]), "weights that depend on the input"),
    (lambda x: F.layer_norm(x, (6,), x[0, 0, 0]), "weights that depend on the input"),
    (lambda x: F.avg_pool2d(x, 2, divisor_override=-3), "a divisor below 1"),
    (lambda x: F.max_pool2d(x[:, :, :2, :2], 2, 1, 1, 3), "a maximum over no entries"),
    (lambda x: F.instance_norm(x, torch.zeros(4), torch.ones(4), use_input_stats=False), "running statistics"),
    (lambda x: F.batch_norm(x, torch.zeros(4), -torch.ones(4)), "variance + eps that is not positive"),
    (lambda x: torch.einsum("bchw,bcde->bch", x, x), "the equation bchw,bcde->bch"),
    (lambda x: torch.einsum("bchh,bchw->bcw", x, x), "the equation 'bchh,bchw->bcw'"),
    (lambda x: torch.einsum("bchw,bcwk,k->bch", x, x, torch.ones(6)), "the equation"),
    (lambda x: torch.einsum("...w,w->...", x, torch.ones(6)), "the equation '...w,w->...'"),
    (lambda x: torch.einsum("bchw,cw->bch", x, torch.ones(4, 6)), "the equation bchw,cw->bch"),
    (lambda x: F.batch_norm(x, None, None, training=True), "batch statistics"),
    (lambda x: F.dropout2d(x), "aten.bernoulli.p: it is random"),
    (lambda x: x + 0 * torch.empty(6), "aten.add.Tensor: a constant in it is infinite or NaN"),
    (lambda x: x + torch.rand(6), "aten.rand.default: it is random"),
    (lambda x: x + torch.rand_like(x), "aten.rand_like.default: it is random"),
    (lambda x: F.rrelu(x, training=True), "aten.rrelu.default: it is random"),
    (lambda x: x.as_strided((1, 4), (4, 1)), "aten.as_strided.default: no rule"),
]


@cache
def _forms() -> ExportedProgram:
    """All of FORMS in one network, so that it is exported once."""
    network = Lambda(lambda x: [function(x) for function, _ in FORMS])
    return functional(capture(network.eval(), (IMAGE,)), (IMAGE,))


@pytest.mark.parametrize("place", range(len(FORMS)), ids=[words for _, words in FORMS])
def test_a_form_that_has_no_proof_is_refused_with_the_reason(place: int) -> None:
    program = _forms()
    _, name = find_output(program, str(place))
    with pytest.raises(UnsupportedError) as caught:
        lower(program, (IMAGE,), name)
    assert FORMS[place][1] in caught.value.message
