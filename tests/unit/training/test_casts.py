"""A network rounded to fewer bits: beside the same done by hand, and left as it was."""

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lipcert.architectures.table import build
from lipcert.training.casts import PRECISIONS, Cast, casts, rounded, rows
from lipcert.training.tasks import Batch

FP8 = torch.float8_e4m3fn


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def loss(logits: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, -2), y.flatten())


def right(logits: Tensor, y: Tensor) -> tuple[int, int]:
    return int((logits.argmax(-1) == y).sum()), y.numel()


def by_precision(model: nn.Module, batches: Sequence[Batch]) -> dict[str, Cast]:
    return {each.precision: each for each in casts(model, batches, loss, right)}


@given(st.floats(width=32))
def test_rounding_to_fp8_is_to_the_nearest_and_never_beyond_the_largest(value: float) -> None:
    x = torch.tensor(value)
    y = rounded(x, FP8)
    if value != value:
        assert y.isnan()
        return
    numbers = torch.arange(256, dtype=torch.uint8).view(FP8).float()
    nearest = (numbers[numbers.isfinite()] - x.clamp(-448, 448)).abs().min()
    assert (y - x.clamp(-448, 448)).abs() == nearest
    assert y.abs() <= 448


def test_rounding_to_as_many_bits_is_none() -> None:
    x = torch.tensor([1 / 3, torch.inf, 3.4e38])
    assert rounded(x, torch.float32) is x
    half = x.to(torch.bfloat16)
    assert rounded(half, torch.float32) is half


def test_a_linear_layer_rounded_by_hand() -> None:
    model, x, y = nn.Linear(6, 4), torch.randn(9, 6), torch.randint(4, (9,))
    found = by_precision(model, [Batch(x, y)])
    for name, dtype in PRECISIONS.items():
        weight, bias = rounded(model.weight.detach(), dtype), rounded(model.bias.detach(), dtype)
        logits = rounded(F.linear(rounded(x, dtype), weight, bias), dtype)
        assert found[name].loss == pytest.approx(float(loss(logits, y)), rel=1e-6)
        assert found[name].accuracy == right(logits, y)[0] / 9


def test_attention_is_rounded_inside() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            q = F.linear(x, self.weight)  # no module of its own
            return F.scaled_dot_product_attention(q, q, q, scale=2.0) * 3

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = Heads()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.heads(x)
            return y

    model, x, y = Net(), torch.randn(2, 5, 8), torch.randint(8, (2, 5))
    q = rounded(F.linear(rounded(x, FP8), rounded(model.heads.weight.detach(), FP8)), FP8)
    attended = rounded(F.scaled_dot_product_attention(q, q, q, scale=2.0), FP8)
    expected = float(loss(rounded(attended * 3, FP8), y))
    assert by_precision(model, [Batch(x, y)])["float8_e4m3fn"].loss == pytest.approx(expected, rel=1e-6)


def test_float32_is_the_network_as_it_is_over_batches_of_any_size() -> None:
    model = build("gpt", {"vocabulary": 11, "context": 8, "width": 16, "layers": 1, "heads": 2, "tied": True})
    ids, y = torch.randint(11, (5, 8)), torch.randint(11, (5, 8))
    whole = by_precision(model, [Batch(ids, y)])
    parts = by_precision(model, [Batch(ids[:4], y[:4]), Batch(ids[4:], y[4:])])
    with torch.no_grad():
        logits = model(ids)
    assert whole["float32"].loss == pytest.approx(float(loss(logits, y)))
    assert whole["float32"].accuracy == right(logits, y)[0] / 40
    for name in PRECISIONS:
        assert parts[name].loss == pytest.approx(whole[name].loss, rel=1e-4)
    assert whole["float8_e4m3fn"].loss != whole["float32"].loss


def test_the_network_is_left_as_it_was() -> None:
    model = build("cnn", {"in_channels": 1, "classes": 3, "stages": [4, 8]}).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    casts(model, [Batch(torch.randn(4, 1, 8, 8), torch.randint(3, (4,)))], loss, right)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(isinstance(parameter, nn.Parameter) for parameter in model.parameters())


def test_rows_are_those_of_the_table() -> None:
    assert rows([Cast("bfloat16", 1.5, 0.5)]) == [{"precision": "bfloat16", "loss": 1.5, "accuracy": 0.5}]
