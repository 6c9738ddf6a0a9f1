"""The measured lower bound: found where it is known, never above it, and always a ratio of two real points."""

import itertools
import math
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lipcert.bounds.measure import Measured, measure
from lipcert.norms.norm import L2, LINF, Norm

NORMS = pytest.mark.parametrize("norm", [L2, LINF], ids=lambda norm: norm.name)
Function = Callable[[Tensor], Tensor]


monotonic = time.monotonic


@pytest.fixture(autouse=True)
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes: the search makes all of its 20 rounds a second, the same on every machine."""
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)


def gauss(count: int, generator: torch.Generator, size: int) -> Tensor:
    return torch.randn(count, size, generator=generator, dtype=torch.float64)


def everywhere(f: Function, size: int, norm: Norm, seconds: float = 0.05, seed: int = 0) -> Measured:
    example = torch.zeros(1, size, dtype=torch.float64)
    return measure(f, example, norm, norm, lambda n, g: gauss(n, g, size), lambda x: x, seconds, seed)


def in_box(f: Function, size: int, norm: Norm, low: float = 0.0, high: float = 1.0, seconds: float = 0.05) -> Measured:
    def sample(count: int, generator: torch.Generator) -> Tensor:
        return low + (high - low) * torch.rand(count, size, generator=generator, dtype=torch.float64)

    example = torch.zeros(1, size, dtype=torch.float64)
    return measure(f, example, norm, norm, sample, lambda x: x.clamp(low, high), seconds, 0)


def matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    return gauss(rows, torch.Generator().manual_seed(seed), columns)


def operator_norm(weight: Tensor, norm: Norm) -> float:
    return float(torch.linalg.matrix_norm(weight, 2 if norm is L2 else math.inf))


def mlp(sizes: list[int], seed: int) -> Function:
    generator = torch.Generator().manual_seed(seed)
    layers = [
        (gauss(b, generator, a) / math.sqrt(a), gauss(1, generator, b) / math.sqrt(a))
        for a, b in itertools.pairwise(sizes)
    ]

    def f(x: Tensor) -> Tensor:
        for weight, bias in layers[:-1]:
            x = torch.relu(x @ weight.T + bias)
        return x @ layers[-1][0].T + layers[-1][1]

    return f


def local_gains(f: Function, points: Tensor, norm: Norm) -> Tensor:
    jacobians = torch.func.vmap(torch.func.jacrev(lambda x: f(x[None])[0]))(points)
    return torch.linalg.matrix_norm(jacobians, 2 if norm is L2 else math.inf)


def two_point_ratio(f: Function, found: Measured, norm: Norm) -> float:
    moved = norm.of(f(found.x_prime) - f(found.x))
    return float(moved / norm.of(found.x_prime - found.x))


@NORMS
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (40, 5), (100, 100), (10, 784)])
def test_an_affine_map_has_its_norm(rows: int, columns: int, norm: Norm) -> None:
    weight, bias = matrix(rows, columns), torch.ones(rows, dtype=torch.float64)
    found, exact = everywhere(lambda x: x @ weight.T + bias, columns, norm), operator_norm(weight, norm)
    assert exact * (1 - 1e-3) < found.ratio <= exact


@NORMS
@pytest.mark.parametrize("seed", range(2))
def test_a_small_network_matches_brute_force(norm: Norm, seed: int) -> None:
    f = mlp([2, 8, 3], seed)
    grid = torch.cartesian_prod(*[torch.linspace(-3, 3, 201, dtype=torch.float64)] * 2)
    found = in_box(f, 2, norm, -3.0, 3.0, seconds=0.2)
    assert found.ratio > 0.99 * float(local_gains(f, grid, norm).max())


@NORMS
def test_a_network_is_searched_better_than_by_samples(norm: Norm) -> None:
    f = mlp([64, 64, 64, 64, 10], 0)
    samples = local_gains(f, gauss(2000, torch.Generator().manual_seed(0), 64), norm)
    assert everywhere(f, 64, norm, seconds=0.3).ratio > 1.15 * float(samples.max())


def test_a_steep_corner_that_samples_miss_is_found() -> None:
    found = in_box(lambda x: x[:, :1] / 4 + 10 * torch.relu(x.sum(1, keepdim=True) - 3.9), 4, L2, seconds=0.3)
    assert found.ratio > 20


@NORMS
def test_the_points_are_in_the_domain_and_have_that_ratio(norm: Norm) -> None:
    f = mlp([6, 20, 4], 1)
    found = in_box(f, 6, norm, -0.2, 0.3)
    assert found.x.shape == found.x_prime.shape == (1, 6)
    for x in (found.x, found.x_prime):
        assert x.min() >= -0.2
        assert x.max() <= 0.3
    assert two_point_ratio(f, found, norm) * (1 - 1e-6) < found.ratio <= two_point_ratio(f, found, norm)


def test_rounding_is_not_reported_as_a_slope() -> None:
    assert everywhere(lambda x: x + 1e6, 3, L2).ratio <= 1
    assert everywhere(lambda x: x * 1e-12 + 1e6, 3, L2).ratio <= 1e-12


@pytest.mark.parametrize("size", [1e-9, 1e9])
def test_the_size_of_the_domain_does_not_matter(size: float) -> None:
    weight = matrix(4, 4)
    found = in_box(lambda x: x @ weight.T, 4, L2, -size, size)
    assert found.ratio == pytest.approx(operator_norm(weight, L2), rel=1e-3)


@NORMS
@pytest.mark.parametrize("f", [torch.zeros_like, lambda x: torch.zeros_like(x) * x, torch.sign])
def test_without_a_slope_the_ratio_is_small(f: Function, norm: Norm) -> None:
    assert 0 <= in_box(f, 3, norm, 0.5, 1.0, seconds=0.05).ratio == 0


def test_a_domain_of_one_point_has_ratio_zero() -> None:
    assert in_box(lambda x: 3 * x, 3, L2, 0.5, 0.5, seconds=0.05).ratio == 0


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_values_that_are_no_numbers_are_passed_over(wrong: float) -> None:
    found = in_box(lambda x: torch.where(x > 0.5, wrong, 2 * x), 1, L2)
    assert found.ratio == pytest.approx(2, rel=1e-6)
    assert found.x.max() <= 0.5


def test_images_and_norms_that_differ() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2)).double()

    def sample(count: int, generator: torch.Generator) -> Tensor:
        return torch.rand(count, 2, 8, 8, generator=generator, dtype=torch.float64)

    found = measure(network, torch.zeros(1, 2, 8, 8), LINF, L2, sample, lambda x: x.clamp(0, 1), 0.05, 0)
    moved = L2.of(network(found.x_prime) - network(found.x)) / LINF.of(found.x_prime - found.x)
    assert 0 < found.ratio <= float(moved.detach())


def test_the_same_seed_gives_the_same_pair() -> None:
    first, again, other = (everywhere(mlp([8, 16, 4], 0), 8, L2, 0.05, seed) for seed in (3, 3, 4))
    assert first.ratio == again.ratio
    assert torch.equal(first.x, again.x)
    assert first.evaluations == again.evaluations
    assert not torch.equal(first.x, other.x)


def test_it_ends_in_time_however_slow_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", monotonic)

    def slow(x: Tensor) -> Tensor:
        time.sleep(0.02)
        return x.square()

    started = time.monotonic()
    found = in_box(slow, 3, L2, seconds=0.4)
    assert time.monotonic() - started < 2
    assert found.ratio > 1


def test_progress_tells_the_ratio() -> None:
    told: list[str] = []
    example = torch.zeros(1, 2, dtype=torch.float64)
    measure(lambda x: 2 * x, example, L2, L2, lambda n, g: gauss(n, g, 2), lambda x: x, 0.05, 0, 4, told.append)
    assert told[0].startswith("measured 2 ")


def test_a_network_in_training_keeps_its_gradients() -> None:
    layer = nn.Linear(3, 2).double()
    everywhere(layer, 3, L2)
    assert layer.weight.grad is None
    assert layer.weight.requires_grad
