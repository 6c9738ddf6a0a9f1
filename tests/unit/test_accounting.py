"""The bound as arXiv 2507.13338 accounts for it, against a computation by hand."""

from typing import Any

import pytest
import torch
from torch import nn

from lipcert import architectures
from lipcert.bounds.accounting import paper_accounting

TINY: dict[str, Any] = {"vocabulary": 11, "context": 8, "width": 12, "layers": 2, "heads": 2}


def gpt(**arguments: object) -> nn.Module:
    torch.manual_seed(0)
    return architectures.build("gpt", TINY | arguments)


def test_with_all_norms_1_it_is_a_line_of_arithmetic() -> None:
    # Layers start orthogonal, with RMS→RMS norm 1. The logit scale does not enter.
    found = paper_accounting(gpt(attention_scale=2.0, logit_scale=50.0))
    assert found is not None
    size, bound = 1.0, 1.0
    for _ in range(2):
        bound *= 0.75 + 0.25 * (1 / 3) * (1 + 2 * size**2) * 2
        bound *= 0.75 + 0.25 / 1.1289
        size *= (0.75 + 0.25 / 3) * (0.75 + 0.25 / 1.1289)
    assert float(found.bound) == pytest.approx(bound, rel=1e-5)


def test_every_norm_counts_where_the_paper_puts_it() -> None:
    model = gpt()
    factors = {"attention.query": 2, "attention.key": 3, "attention.value": 5, "attention.output": 7}
    factors |= {"mlp.input": 11, "mlp.output": 13}
    with torch.no_grad():
        for name, factor in factors.items():
            model.get_submodule(f"blocks.0.{name}").weight.mul_(factor)
        model.unembedding.weight.mul_(17)
        model.embedding.weight[3] *= 19
    found = paper_accounting(model)
    assert found is not None
    size = (0.75 + 0.25 * 35 / 3) * (0.75 + 0.25 * 143 / 1.1289)
    first = (0.75 + 0.25 * (1 / 3) * 7 * (5 + 2 * 5 * 2 * 3)) * (0.75 + 0.25 * 143 / 1.1289)
    second = (0.75 + 0.25 * (1 / 3) * (1 + 2 * size**2)) * (0.75 + 0.25 / 1.1289)
    assert float(found.bound) == pytest.approx(19 * first * second * 17, rel=1e-5)


def test_a_bound_beyond_every_float_has_its_logarithm() -> None:
    model = gpt(layers=40)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(1e4)
    found = paper_accounting(model)
    assert found is not None
    assert 400 < found.log10 < 1e6


@pytest.mark.parametrize(
    "other",
    [
        gpt(residual="plain"),
        gpt(norm="layer"),
        gpt(attention_divisor="sqrt(d_head)"),
        gpt(tied=True),
        architectures.build("mlp", {"widths": [2, 2]}),
    ],
)
def test_other_networks_have_none(other: nn.Module) -> None:
    assert paper_accounting(other) is None
