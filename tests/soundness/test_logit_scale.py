"""The proved bound of a GPT is proportional to its logit scale while its weights stay as they are."""

import torch
from flint import arb

from lipcert.architectures.arguments import GPTArguments
from lipcert.architectures.transformer import GPT
from lipcert.bounds.engine import bound
from lipcert.rules.domain import Vocabulary

SIZES = {"vocabulary": 11, "context": 6, "width": 8, "layers": 2, "heads": 2, "attention_scale": 4.0}


def proved(scale: float, cap: float | None = None) -> arb:
    torch.manual_seed(0)
    arguments = GPTArguments.model_validate({**SIZES, "logit_scale": scale, "logit_cap": cap})
    ids = torch.zeros(1, SIZES["context"], dtype=torch.int64)  # type: ignore[call-overload]
    return bound(GPT(arguments).eval(), ids, norm="token-rms", domain=Vocabulary(), seconds=0.0).ball


def test_the_bound_is_proportional_to_the_logit_scale() -> None:
    one = proved(1.0)
    for scale in (0.5, 3.0, 1e-6, 1e30):
        assert abs(proved(scale) / (arb(scale) * one) - 1) < 1e-12


def test_a_cap_on_the_logits_leaves_the_bound_below_proportional() -> None:
    one = proved(1.0)
    for scale in (0.5, 3.0, 100.0):
        assert proved(scale, cap=1.0) <= arb(scale) * one * (1 + arb("1e-12"))
