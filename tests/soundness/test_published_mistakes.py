"""Formulas that published code uses as bounds, each with its counter-example, and lipcert's number above it.

Every test holds three numbers: the published claim, what is measured on the module itself in float64, and
what lipcert proves. The measurement must beat the claim and must not beat the proof.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import lipcert
from lipcert.bounds import engine
from lipcert.bounds.measure import Measured
from lipcert.norms import ball
from lipcert.norms.conv import Conv
from lipcert.norms.search import conv_norm, spectral_norm
from tests.soundness.attack import module_ratio

ROUNDING = 1e-9


def proved(module: nn.Module, *shape: int, norm: str = "l2", domain: lipcert.Box | None = None) -> float:
    where = domain or lipcert.Everywhere()
    return lipcert.bound(module.eval(), torch.zeros(1, *shape), norm=norm, domain=where, seconds=0.05).upper


def require(claim: float, measured: float, proof: float, *, excess: float = 1.01) -> None:
    """The claim is refuted by more than `excess`, the proof is not."""
    assert measured > excess * claim
    assert measured <= proof * (1 + ROUNDING)


class Function(nn.Module):
    """A module that applies a function; its weights are the function's own."""

    def __init__(self, function: object, **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)  # type: ignore[operator,no-any-return]


def linear(rows: int, columns: int, seed: int = 0) -> nn.Linear:
    """A linear layer of spectral norm 1, up to float32."""
    layer = nn.Linear(columns, rows, bias=False)
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    layer.weight.data = (weight / torch.linalg.matrix_norm(weight, 2)).float()
    return layer


# 1. The estimate of power iteration used as an upper bound.


def test_power_iteration_stays_below_the_norm_that_it_estimates() -> None:
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(512, 512, generator=generator, dtype=torch.float64)
    x = torch.randn(512, generator=generator, dtype=torch.float64)
    for _ in range(16):
        x = torch.nn.functional.normalize(w.T @ (w @ x), dim=0)
    truth = float(torch.linalg.matrix_norm(w, 2))
    require(float((w @ x).norm()), truth, ball.up(spectral_norm(w.numpy()).upper), excess=1.001)


# 2. GELU divided by 1.1289, and a factor 1.1289 taken off once more.


@pytest.mark.parametrize("form", ["none", "tanh"])
def test_gelu_over_1_1289_is_steeper_than_1(form: str) -> None:
    scaled = Function(lambda self, x: nn.functional.gelu(x, approximate=form) / 1.1289)
    require(1.0, module_ratio(scaled, (1,), "l2", starts=20, rounds=1, steps=30), proved(scaled, 1), excess=1 + 1e-6)


def test_a_block_with_gelu_over_1_1289_is_not_flatter_than_its_weights_by_1_1289() -> None:
    block = Function(lambda self, x: self.b(nn.functional.gelu(self.a(x)) / 1.1289), a=linear(1, 1), b=linear(1, 1))
    require(1 / 1.1289, module_ratio(block, (1,), "l2", starts=20, rounds=1, steps=30), proved(block, 1), excess=1.128)


# 7. Scales on logits and on residual branches left out.


def test_scales_of_logits_and_of_branches_count() -> None:
    scaled = Function(lambda self, x: 4.0 * (x + 3.0 * torch.relu(self.a(x))), a=linear(3, 3))
    claim = 1.0 + 1.0  # skip + branch, both scales left out
    require(claim, module_ratio(scaled, (3,), "l2"), proved(scaled, 3), excess=4)


# 8. Normalisations declared 1-Lipschitz.


@pytest.mark.parametrize(
    ("layer", "shape", "least"),
    [
        (nn.LayerNorm(8), (8,), 316.0),
        (nn.RMSNorm(8, eps=1e-6), (8,), 999.0),
        (nn.RMSNorm(8), (8,), 2890.0),
        (nn.GroupNorm(2, 4), (4, 2), 316.0),
        (nn.InstanceNorm1d(2), (2, 5), 316.0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_a_normalisation_multiplies_small_differences(layer: nn.Module, shape: tuple[int, ...], least: float) -> None:
    if isinstance(layer, nn.RMSNorm) and layer.eps is None:
        layer = nn.RMSNorm(8, eps=torch.finfo(torch.float32).eps)  # what it is in float32; float64 takes its own
    require(1.0, module_ratio(layer, shape, "l2", spread=1e-6, rounds=1), proved(layer, *shape), excess=least)


def test_rms_norm_without_eps_takes_that_of_float32() -> None:
    assert 2896 <= proved(nn.RMSNorm(8), 8) <= 2897


def test_batch_norm_in_eval_mode_is_as_steep_as_its_smallest_deviation() -> None:
    layer = nn.BatchNorm1d(3)
    layer.running_var = torch.tensor([1.0, 1e-4, 4.0])
    require(1.0, module_ratio(layer, (3,), "l2"), proved(layer, 3), excess=95)


# 10. Unknown modules counted as 1; skips, convolutions and steep activations ignored.


def product_of_linear_layers(module: nn.Module) -> float:
    """What is published as the bound of a network: its nn.Linear layers, and 1 for all else."""
    layers = [part.weight.detach() for part in module.modules() if isinstance(part, nn.Linear)]
    return math.prod(float(torch.linalg.matrix_norm(weight.double(), 2)) for weight in layers)


def steep(activation: nn.Module) -> nn.Module:
    return nn.Sequential(linear(2, 2), activation, linear(2, 2, seed=1))


def conv(seed: int = 0) -> nn.Conv2d:
    layer = nn.Conv2d(2, 2, 3, padding=1, bias=False)
    layer.weight.data = torch.randn(2, 2, 3, 3, generator=torch.Generator().manual_seed(seed))
    return layer


IGNORED = {
    "skip": (Function(lambda self, x: x + self.a(x), a=linear(3, 3)), (3,)),
    "doubled": (Function(lambda self, x: self.a(x) + self.a(x), a=linear(3, 3)), (3,)),
    "convolution": (nn.Sequential(conv(), nn.Flatten(), linear(3, 32)), (2, 4, 4)),
    "leaky slope above 1": (steep(nn.LeakyReLU(3.0)), (2,)),
    "SELU": (steep(nn.SELU()), (2,)),
    "hardswish": (steep(nn.Hardswish()), (2,)),
    "ELU with alpha 4": (steep(nn.ELU(4.0)), (2,)),
    "SiLU": (nn.Sequential(linear(1, 1), nn.SiLU(), linear(1, 1)), (1,)),
    "expansion": (Function(lambda self, x: self.a(x).repeat(1, 4), a=linear(2, 2)), (2,)),
    "concatenation": (Function(lambda self, x: torch.cat([self.a(x), x, x], 1), a=linear(2, 2)), (2,)),
    "sum over an axis": (Function(lambda self, x: self.a(x).sum(1, keepdim=True), a=linear(4, 4)), (4,)),
    "overlapping maxima": (nn.Sequential(nn.MaxPool1d(3, 1), nn.Flatten()), (1, 5)),
    "log-softmax": (nn.Sequential(linear(4, 4), nn.LogSoftmax(1)), (4,)),
}


@pytest.mark.parametrize("what", IGNORED)
def test_what_is_no_linear_layer_counts_too(what: str) -> None:
    module, shape = IGNORED[what]
    measured = module_ratio(module, shape, "l2", starts=20, spread=3.0)
    require(product_of_linear_layers(module), measured, proved(module, *shape))


class Sorting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sort(-1).values


class Rounding(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.round()


def test_unknown_operations_are_all_named_and_never_count_as_1() -> None:
    module = nn.Sequential(linear(3, 3), Sorting(), nn.Sequential(linear(3, 3), Rounding()))
    with pytest.raises(lipcert.UnsupportedError) as caught:
        proved(module, 3)
    for part in ("sort", "round", "1", "2.1"):
        assert part in caught.value.message


# 12. The norm of the kernel as a matrix, or on the n-point circular grid, taken for the operator's.


def kernel_norm(layer: nn.Conv2d) -> float:
    return float(torch.linalg.matrix_norm(layer.weight.detach().double().flatten(1), 2))


def circular_norm(layer: nn.Conv1d, n: int) -> float:
    """Sedghi, Gupta and Long (2019): the norm with circular padding, published as that of any padding."""
    symbol = torch.fft.fft(layer.weight.detach().double(), n).permute(2, 0, 1)
    return float(torch.linalg.matrix_norm(symbol, 2).max())


def test_the_norm_of_the_reshaped_kernel_is_not_that_of_the_convolution() -> None:
    layer = conv()
    layer.weight.data /= kernel_norm(layer)
    require(1.0, module_ratio(layer, (2, 8, 8), "l2", starts=1, steps=1), proved(layer, 2, 8, 8), excess=1.3)


def test_the_circular_grid_of_n_points_is_no_bound_for_zero_padding() -> None:
    layer = nn.Conv1d(1, 1, 3, padding=1, bias=False)
    layer.weight.data = torch.tensor([[[2.0, -1.0, 2.0]]])  # steepest between the points of the 3-point grid
    measured = module_ratio(layer, (1, 3), "l2", starts=1, steps=1)
    require(circular_norm(layer, 3), measured, proved(layer, 1, 3), excess=1.27)


# 13. NaN compares false, and "not violated" is printed; a Gram iteration that returns NaN on a zero symbol.


def gram_iteration(kernel: np.ndarray, points: int, steps: int = 6) -> float:
    """Delattre et al. (2023): G ← GᴴG on each frequency, rescaled by its Frobenius norm."""
    symbol = np.fft.fft(kernel, points)[:, None, None]
    root, log_scale = symbol, np.zeros(points)
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(steps):
            size = np.linalg.norm(root, axis=(1, 2))
            root, log_scale = root / size[:, None, None], 2 * (log_scale + np.log(size))
            root = root.conj().swapaxes(1, 2) @ root
        return float((np.linalg.norm(root, axis=(1, 2)) ** (2.0**-steps) * np.exp(log_scale * 2.0**-steps)).max())


def test_a_kernel_with_a_zero_symbol_has_a_bound_and_no_nan() -> None:
    difference = np.array([1.0, -1.0])
    published = gram_iteration(difference, 8)
    assert math.isnan(published)
    assert not published < 1  # the check that lets it pass
    conv = Conv(difference.reshape(1, 1, 2), (8,), (1,), ((1, 1),), (1,))
    matrix = np.eye(9, 8) - np.eye(9, 8, -1)
    assert np.linalg.norm(matrix, 2) <= ball.up(conv_norm(conv).upper) <= 2 * (1 + 1e-6)


def test_a_zero_kernel_has_the_norm_zero() -> None:
    assert conv_norm(Conv(np.zeros((2, 2, 3)), (8,), (1,), ((1, 1),), (1,))).upper == 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(value: float) -> None:
    for place in ("weight", "bias"):
        layer = nn.Linear(3, 3)
        getattr(layer, place).data.view(-1)[0] = value
        with pytest.raises(lipcert.LipcertError):
            proved(layer, 3)
        with pytest.raises(lipcert.LipcertError):
            proved(layer, 3, norm="linf", domain=lipcert.Box(0, 1))


@pytest.mark.parametrize("ratio", [math.nan, math.inf, 2.0])
def test_a_measured_ratio_that_is_not_below_the_bound_is_a_violation(
    ratio: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "measure", lambda *given, **named: _measured(ratio))
    with pytest.raises(lipcert.ViolationError):
        proved(nn.Identity(), 3)


def _measured(ratio: float) -> Measured:
    return Measured(ratio, torch.zeros(1, 3, dtype=torch.float64), torch.ones(1, 3, dtype=torch.float64), 0)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e-400x", "", "0x1p3"])
def test_a_text_that_is_no_number_is_no_bound(text: str) -> None:
    with pytest.raises(ValueError, match="no bound"):
        ball.from_text(text)
