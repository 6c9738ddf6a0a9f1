"""No proof of the norm of a convolution ever gives a number below the norm of the operator."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from lipcert.errors import InputError
from lipcert.norms import ball, dense
from lipcert.norms.conv import Conv, Form, conv_matrix, conv_symbols, linf_conv, prove_conv
from lipcert.norms.estimate import LinearMap, lanczos, power_iteration
from lipcert.norms.search import conv_norm
from lipcert.norms.shifts import LEAST_SHIFT, claim, raised_shift
from tests.soundness import conv_reference as reference

FORMS: tuple[Form, ...] = ("cholesky", "residual")
REFERENCE = 1e-12
"""What a float64 SVD of these sizes may be off by, relative, with a wide margin."""


def norm_of(matrix: np.ndarray) -> float:
    return float(np.linalg.svd(matrix, compute_uv=False)[0])


def proved_on_grid(conv: Conv, grid: list[int]) -> tuple[arb, float]:
    """The bound that a search on this grid claims, and its shift."""
    symbol = conv_symbols(conv, grid)
    assert symbol is not None
    shift = LEAST_SHIFT
    for rows, grams in symbol.grams():
        shift = raised_shift(grams, rows, shift)
    shift, square = claim(shift, *symbol.shape)
    return symbol.norm(square), shift


def plain(kernel: np.ndarray, size: int, padding: int = 1) -> Conv:
    axes = kernel.ndim - 2
    return Conv(kernel, (size,) * axes, (1,) * axes, ((padding, padding),) * axes, (1,) * axes)


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_the_matrix_is_what_torch_computes(seed: int) -> None:
    conv = reference.random_conv(seed)
    expected = reference.matrix(conv)
    assert np.array_equal(conv_matrix(conv), expected)
    assert expected.shape[0] % math.prod(conv.output_size) == 0


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_the_search_is_tight_and_both_proofs_confirm_it(seed: int) -> None:
    conv = reference.random_conv(seed)
    found, truth = conv_norm(conv), norm_of(conv_matrix(conv))
    assert truth * (1 - REFERENCE) <= found.upper <= truth * (1 + 1e-6)
    for form in FORMS:
        proved = prove_conv(conv, found.witness, form)
        assert proved is not None
        assert proved <= found.upper


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_every_grid_proves_at_least_the_truth_or_nothing(seed: int) -> None:
    conv, rng = reference.random_conv(seed), np.random.default_rng(seed)
    truth = norm_of(conv_matrix(conv))
    exact = [axis.exact for axis in conv.axes]
    grids = [exact, [axis.degree + 1 for axis in conv.axes], [n + 1 for n in exact], [n - 1 for n in exact]]
    grids += [[int(rng.integers(1, n + 6)) for n in exact] for _ in range(4)]
    for grid in grids:
        if conv_symbols(conv, grid) is None:
            assert prove_conv(conv, {"method": "grid", "grid": grid, "shift": 100.0}, "residual") is None
            continue
        claimed, shift = proved_on_grid(conv, grid)
        assert claimed >= truth * (1 - REFERENCE)
        for form in FORMS:
            proved = prove_conv(conv, {"method": "grid", "grid": grid, "shift": shift}, form)
            assert proved is not None
            assert truth * (1 - REFERENCE) <= proved <= claimed


@given(st.integers(0, 10**6), st.sampled_from(["dense", "grid"]), st.sampled_from(FORMS))
@settings(max_examples=40)
def test_no_shift_proves_less_than_the_truth(seed: int, method: str, form: Form) -> None:
    conv = reference.random_conv(seed)
    truth = norm_of(conv_matrix(conv))
    grid = [axis.exact for axis in conv.axes]
    exponent = dense.finite(conv.grouped)[1]
    for factor in (0.0, 0.3, 0.9, 0.999, 1 - 1e-9, 1 - 1e-13, 1.0, 1 + 1e-13, 1.1, 1e4):
        shift = float((truth / 2.0**exponent) ** 2 * factor)
        proved = prove_conv(conv, {"method": method, "grid": grid, "shift": shift}, form)
        assert proved is None or proved >= truth * (1 - REFERENCE)


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_linf_is_at_least_the_largest_row_sum_and_equal_away_from_borders(seed: int) -> None:
    conv = reference.random_conv(seed)
    bound = linf_conv(conv)
    assert bound >= float(np.abs(conv_matrix(conv)).sum(axis=1).max()) * (1 - REFERENCE)
    wide = Conv(
        conv.kernel, tuple(n + 12 for n in conv.size), conv.stride, ((0, 0),) * len(conv.size), conv.dilation,
        conv.groups, conv.transposed,
    )  # fmt: skip
    if len(conv.size) < 3:
        assert bound <= float(np.abs(conv_matrix(wide)).sum(axis=1).max()) * (1 + REFERENCE)


@pytest.mark.parametrize("padding", [(1, 1), (0, 2), (2, 0), (1, 0), (0, 1), (2, 2), (5, 5)])
@pytest.mark.parametrize("stride", [1, 2])
def test_grids_of_short_signals_hold_up_where_the_circular_one_does_not(padding: tuple[int, int], stride: int) -> None:
    below = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        size = int(rng.integers(3, 8))
        conv = Conv(rng.standard_normal((1, 1, 3)), (size,), (stride,), (padding,), (1,))
        truth = norm_of(conv_matrix(conv))
        below += float(np.abs(np.fft.fft(conv.kernel[0, 0], size)).max()) < truth * (1 - 1e-3)
        for points in range(1, conv.axes[0].exact + 3):
            if conv_symbols(conv, [points]) is not None:
                assert proved_on_grid(conv, [points])[0] >= truth * (1 - REFERENCE)
    assert below >= (1 if stride == 1 and min(padding) > 0 else 0)


def test_the_least_exact_grid_is_one_padding_larger_than_the_input() -> None:
    for before, after in [(1, 1), (0, 2), (2, 0), (2, 1)]:
        conv = Conv(np.ones((1, 1, 3)), (9,), (1,), ((before, after),), (1,))
        assert [axis.exact for axis in conv.axes] == [9 + max(before, after)]


@pytest.mark.parametrize(("points", "dilation"), [(3, 1), (5, 1), (9, 1), (3, 4), (3, 3), (9, 6)])
def test_a_coarse_grid_pays_for_what_lies_between_its_points(points: int, dilation: int) -> None:
    # |1 - e^{iω}| peaks at π, midway between two of an odd number of points: the factor is sharp.
    conv = Conv(np.array([[[1.0, -1.0]]]), (300,), (1,), ((dilation, dilation),), (dilation,))
    claimed = ball.up(proved_on_grid(conv, [points])[0])
    assert norm_of(conv_matrix(conv)) * (1 - REFERENCE) <= claimed <= 2 * (1 + 1e-6)
    assert claimed == pytest.approx(2, rel=1e-6)


def test_the_norm_of_the_reshaped_kernel_is_not_the_norm_of_the_operator() -> None:
    kernel = np.random.default_rng(0).standard_normal((6, 6, 3, 3))
    reshaped = norm_of(kernel.reshape(6, -1))
    found = conv_norm(plain(kernel, 8))
    assert found.upper > 1.2 * reshaped
    constant = conv_norm(plain(np.ones((1, 1, 3, 3)), 16))
    assert constant.upper > 2.9 * 3  # three times the norm of the reshaped kernel, but for the border


def test_a_large_image_is_bounded_on_a_grid_close_to_the_truth() -> None:
    conv = plain(np.random.default_rng(0).standard_normal((16, 16, 3, 3)), 40)
    found = conv_norm(conv)
    assert found.witness["method"] == "grid"
    estimate = lanczos(linear_map(conv), np.random.default_rng(0)).value
    assert estimate * (1 - 1e-9) <= found.upper <= estimate * 1.02
    for form in FORMS:
        proved = prove_conv(conv, found.witness, form)
        assert proved is not None
        assert estimate * (1 - 1e-9) <= proved <= found.upper


@pytest.mark.parametrize("scale", [1e-150, 1e150, 2.0**-1040])
def test_scales_near_the_ends_of_float64_lose_nothing(scale: float) -> None:
    unit = reference.random_conv(11)
    conv = replace(unit, kernel=unit.kernel * scale)
    scaled, exponent = dense.finite(conv_matrix(conv))
    truth = arb(norm_of(scaled)) * arb(2) ** exponent
    assert truth * (1 - arb(REFERENCE)) <= conv_norm(conv).upper <= truth * (1 + arb("1e-6"))
    assert truth * (1 - arb(REFERENCE)) <= proved_on_grid(conv, [axis.exact for axis in conv.axes])[0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_nan_or_infinity_is_no_proof(bad: float) -> None:
    kernel = np.ones((2, 2, 3))
    kernel[1, 0, 2] = bad
    conv = plain(kernel, 6)
    for form in FORMS:
        assert prove_conv(conv, {"method": "dense", "shift": 100.0}, form) is None
        assert prove_conv(conv, {"method": "grid", "grid": [7], "shift": 100.0}, form) is None
    with pytest.raises(InputError, match="NaN or infinity"):
        conv_norm(conv)
    with pytest.raises(InputError, match="NaN or infinity"):
        linf_conv(conv)


WITNESSES = [
    {},
    {"method": "dense"},
    {"method": "dense", "shift": math.nan},
    {"method": "dense", "shift": -1.0},
    {"method": "dense", "shift": "9"},
    {"method": "grid", "shift": 100.0},
    {"method": "grid", "grid": 7, "shift": 100.0},
    {"method": "grid", "grid": [], "shift": 100.0},
    {"method": "grid", "grid": [7, 7], "shift": 100.0},
    {"method": "grid", "grid": [0], "shift": 100.0},
    {"method": "grid", "grid": [-7], "shift": 100.0},
    {"method": "grid", "grid": [2], "shift": 100.0},
    {"method": "grid", "grid": [7.0], "shift": 100.0},
    {"method": "grid", "grid": [True], "shift": 100.0},
    {"method": "grid", "grid": [10**12], "shift": 100.0},
    {"method": "grid", "grid": [7], "shift": math.inf},
    {"method": "power iteration", "shift": 100.0},
]


@pytest.mark.parametrize("witness", WITNESSES)
@pytest.mark.parametrize("form", FORMS)
def test_a_witness_that_makes_no_sense_is_no_proof(witness: dict[str, object], form: Form) -> None:
    assert prove_conv(plain(np.ones((1, 1, 3)), 6), witness, form) is None


def test_windows_that_read_only_zeros_make_the_zero_operator() -> None:
    conv = Conv(np.ones((1, 1, 2)), (1,), (3,), ((2, 2),), (1,))
    assert not conv_matrix(conv).any()
    assert conv_norm(conv).upper == 0
    nothing = plain(np.zeros((2, 2, 3)), 5)
    assert conv_norm(nothing).upper == 0
    assert prove_conv(nothing, conv_norm(nothing).witness, "residual") == 0
    assert linf_conv(nothing) == 0


def linear_map(conv: Conv) -> LinearMap:
    shape = (1, reference.channels(conv), *conv.size)

    def forward(x: np.ndarray) -> np.ndarray:
        return reference.apply(conv, torch.from_numpy(x).reshape(shape)).flatten().numpy()

    def adjoint(y: np.ndarray) -> np.ndarray:
        x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(reference.apply(conv, x).flatten(), x, torch.from_numpy(y))[0].flatten().numpy()

    return LinearMap(forward, adjoint, math.prod(shape))


def test_estimates_of_a_convolution_lie_below_its_norm() -> None:
    rng = np.random.default_rng(0)
    for seed in range(8):
        conv = reference.random_conv(seed)
        truth, linear = norm_of(conv_matrix(conv)), linear_map(conv)
        assert power_iteration(linear, 3, rng).value <= truth * (1 + REFERENCE)
        assert lanczos(linear, rng).value == pytest.approx(truth, rel=1e-6, abs=1e-9)
