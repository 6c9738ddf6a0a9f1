"""What is inside a network: measured sizes beside the same computed by hand, and a model that is left as it was."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lipcert.architectures.arguments import BlockArguments
from lipcert.architectures.blocks import Attention
from lipcert.architectures.table import build
from lipcert.training import spectra as spectra_module
from lipcert.training.observe import Activation, fits_fp8, observe, rows
from lipcert.training.spectra import spectra

GPT: dict[str, Any] = {"vocabulary": 11, "context": 8, "width": 16, "layers": 2, "heads": 2}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def by_path(model: nn.Module, x: Tensor) -> dict[str, Activation]:
    return {each.path: each for each in observe(model, x)}


def test_the_largest_entry_and_the_share_that_fits_are_those_of_the_outputs() -> None:
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[-500.0, 0.0], [0.0, 1e-4], [1.0, 1.0]]))
    assert observe(model, torch.ones(4, 2)) == [Activation("0", 500.0, 1 / 3), Activation("1", 2.0, 2 / 3)]


def test_the_limits_of_fp8() -> None:
    """e4m3fn: 448 is the largest number, 464 the last that is rounded to it; 2^-9 is the smallest above 0."""
    fit = torch.tensor([0.0, -0.0, 448, 464, -464, 2.0**-9, 2.0**-10 * 1.001])
    not_fit = torch.tensor([464.1, -465, torch.inf, torch.nan, 2.0**-10, -1e-30])
    assert fits_fp8(fit).all()
    assert not fits_fp8(not_fit).any()


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_what_fits_fp8_is_cast_to_a_number_close_by(value: float) -> None:
    x = torch.tensor(value)
    if fits_fp8(x):
        error = (x.to(torch.float8_e4m3fn).float() - x).abs()
        assert error <= max(2.0**-4 * abs(value), 2.0**-10)  # half a unit in the last of 3 + 1 bits
    else:
        assert abs(value) > 464 or 0 < abs(value) <= 2.0**-10


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_no_number_is_infinitely_large(broken: float) -> None:
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight[0, 0] = broken
    assert observe(model, torch.ones(1, 2)) == [Activation("", float("inf"), 0.5)]


def test_every_module_of_a_gpt_is_named_once_and_what_is_only_handed_on_is_not() -> None:
    seen = by_path(build("gpt", {**GPT, "norm": "layer", "qk_norm": True}), torch.arange(8)[None])
    attention = [f"blocks.{i}.attention.{part}" for i in (0, 1) for part in ("query", "qk_norm", "logits", "output")]
    assert {
        *attention,
        "rotary",
        "embedding",
        "blocks.0",
        "blocks.1.mlp_norm",
        "blocks.1.attention",
        "norm",
        "",
    } <= set(seen)
    assert "blocks.0.mlp" not in seen  # returns what its output layer returned
    plain = by_path(build("gpt", GPT), torch.arange(8)[None])
    assert not any("norm" in path for path in plain)  # nn.Identity


def test_the_output_of_a_block_is_the_residual_stream() -> None:
    model = build("gpt", GPT)
    ids = torch.randint(11, (3, 8))
    after: list[Tensor] = []
    handle = model.get_submodule("blocks.1").register_forward_hook(lambda _, __, y: after.append(y))
    model(ids)
    handle.remove()
    assert by_path(model, ids)["blocks.1"].largest == float(after[0].detach().abs().max())


@pytest.mark.parametrize("causal", [True, False])
def test_the_logits_are_those_of_the_pairs_that_attention_sees(causal: bool) -> None:
    arguments = BlockArguments(**{**GPT, "positions": "none", "attention_scale": 7.0})
    attention = Attention(arguments, causal=causal)
    x = torch.randn(3, 5, 16)

    def heads(y: Tensor) -> Tensor:
        return y.reshape(3, 5, 2, 8).transpose(1, 2)

    logits = 7 / 8 * heads(attention.query(x)) @ heads(attention.key(x)).mT
    allowed = torch.ones(5, 5, dtype=torch.bool).tril() if causal else torch.ones(5, 5, dtype=torch.bool)
    seen = by_path(_WithoutRotary(attention), x)["attention.logits"]
    assert seen.largest == pytest.approx(float(logits.detach()[..., allowed].abs().max()), rel=1e-5)


@pytest.mark.parametrize("dims", [2, 3, 4])
def test_logits_under_every_kind_of_mask(dims: int) -> None:
    q, k = torch.randn(2, 4, 3, 8)[(0,) * (4 - dims)], torch.randn(2, 4, 5, 8)[(0,) * (4 - dims)]
    allowed = torch.rand(3, 5) > 0.4
    allowed[:, 0] = True
    added = torch.randn(3, 5).masked_fill(~allowed, -torch.inf)
    plain = q @ k.mT / 8**0.5
    for mask, expected in ((allowed, plain[..., allowed]), (added, (plain + added)[..., allowed])):
        seen = by_path(_Asks(k, attn_mask=mask), q)["logits"]
        assert seen.largest == pytest.approx(float(expected.abs().max()), rel=1e-5)


def test_logits_of_shared_keys() -> None:
    q, k = torch.randn(2, 4, 3, 8), torch.randn(2, 2, 3, 8)
    expected = (q @ k.repeat_interleave(2, 1).mT * 0.5).abs().max()
    seen = by_path(_Asks(k, enable_gqa=True, scale=0.5), q)["logits"]
    assert seen.largest == pytest.approx(float(expected), rel=1e-5)


def test_a_module_called_twice_is_one_line() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1, bias=False)
            nn.init.constant_(self.layer.weight, 30.0)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.layer(self.layer(x))
            return y

    assert observe(Twice(), torch.ones(1, 1)) == [Activation("layer", 900.0, 0.5)]


def test_the_model_is_left_as_it_was() -> None:
    model = build("cnn", {"in_channels": 1, "classes": 3, "stages": [4, 8]}).train()
    model.get_submodule("1").eval()
    modes = [module.training for module in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    observe(model, torch.randn(2, 1, 8, 8))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    model(torch.randn(2, 1, 8, 8)).sum().backward()


def test_modes_and_hooks_come_back_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(2, 2)).train()
    with pytest.raises(RuntimeError, match="shapes"):
        observe(model, torch.ones(1, 3))
    assert model.training
    assert not model[0]._forward_hooks


def test_rows_are_those_of_the_table() -> None:
    assert rows(7, [Activation("a", 1.0, 0.5)]) == [{"step": 7, "path": "a", "largest": 1.0, "fp8_share": 0.5}]


def test_spectra_are_the_singular_values_of_weights_as_matrices() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), nn.Linear(3, 2))
    found = spectra(model)
    assert {each.path for each in found} == {"0.weight", "2.weight"}
    for path, weight in model.named_parameters():
        if weight.ndim == 1:
            continue
        matrix = weight.detach().double().flatten(1)
        values = torch.linalg.svd(matrix).S
        mine = [each for each in found if each.path == path]
        assert [each.index for each in mine] == list(range(min(matrix.shape)))
        assert torch.tensor([each.value for each in mine]).allclose(values.float())
        ratio = (matrix.shape[1] / matrix.shape[0]) ** 0.5
        assert all(each.scaled == pytest.approx(each.value * ratio) for each in mine)
    assert spectra_module.rows(3, found)[0] == {"step": 3, **vars(found[0])}


class _WithoutRotary(nn.Module):
    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.attention, self.rotary = attention, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(x, self.rotary)
        return y


class _Asks(nn.Module):
    """Attention of the input to the given keys, which are the values too."""

    def __init__(self, keys: Tensor, **options: Any) -> None:
        super().__init__()
        self.keys, self.options = keys, options

    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, self.keys, self.keys, **self.options)
