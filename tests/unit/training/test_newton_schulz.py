"""Orthogonalised matrices: their singular vectors, values and what is kept of odd input."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lipcert.training.newton_schulz import DTYPES, SETS, frobenius, orthogonalise, scaled, symmetric, update_norm

SHAPES = [(1, 1), (1, 7), (7, 1), (16, 16), (16, 40), (40, 16), (65, 16)]
BOTH = [torch.float32, torch.bfloat16]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def by_svd(matrices: Tensor, name: str) -> Tensor:
    """The polynomials on the singular values themselves."""
    u, sigma, v = torch.linalg.svd(scaled(matrices, torch.float32).double(), full_matrices=False)
    for a, b, c in SETS[name].steps:
        sigma = sigma * (a + b * sigma**2 + c * sigma**4)
    return (u * sigma[:, None]) @ v


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_singular_value_goes_through_the_polynomials(name: str, shape: tuple[int, int]) -> None:
    matrices = normal(3, *shape)
    assert torch.allclose(orthogonalise(matrices, SETS[name]).double(), by_svd(matrices, name), atol=1e-4)


@pytest.mark.parametrize("shape", [(40, 40), (40, 90), (90, 40)])
def test_in_bfloat16_most_singular_values_are_near_1(shape: tuple[int, int]) -> None:
    sigma = torch.linalg.svdvals(orthogonalise(normal(2, *shape), SETS["paper"], torch.bfloat16))
    assert sigma.max() <= update_norm("paper", "bfloat16")
    assert (sigma > 0.8).float().mean() > 0.9


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("shape", SHAPES)
def test_zero_stays_zero_beside_others(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    matrices = normal(3, *shape)
    matrices[1] = 0
    found = orthogonalise(matrices, SETS["paper"], dtype)
    assert (found[1] == 0).all()
    assert found.isfinite().all()


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_holds_no_number_becomes_nan_and_nothing_else_does(dtype: torch.dtype, bad: float) -> None:
    matrices = normal(3, 8, 20)
    matrices[1, 2, 3] = bad
    found = orthogonalise(matrices, SETS["paper"], dtype)
    assert found[1].isnan().all()
    assert found[[0, 2]].isfinite().all()


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e6, 1e16])
def test_the_size_of_a_matrix_does_not_matter(size: float) -> None:
    matrices = normal(2, 8, 20)
    assert torch.allclose(
        orthogonalise(matrices * size, SETS["paper"]), orthogonalise(matrices, SETS["paper"]), atol=1e-3
    )


@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from(["normal", "equal", "few"]), st.sampled_from(BOTH),
    st.integers(0, 100),
)  # fmt: skip
def test_scaled_matrices_have_norm_at_most_1(m: int, n: int, kind: str, dtype: torch.dtype, seed: int) -> None:
    matrices = normal(2, m, n, seed=seed)
    if kind == "equal":
        matrices = torch.full_like(matrices, 1 + seed / 101)
    if kind == "few":
        matrices = matrices * (normal(2, m, n, seed=seed + 1) > 1)
    norms = torch.linalg.matrix_norm(scaled(matrices, dtype).double())
    assert (norms <= 1).all()
    assert ((norms > 0.97) | (matrices == 0).all(2).all(1)).all()


def test_the_frobenius_norm_is_an_upper_bound() -> None:
    matrices = torch.full((1, 3, 400_000), 0.1)
    assert frobenius(matrices) >= torch.linalg.matrix_norm(matrices.double())
    assert frobenius(normal(1, 50, 70)) < 1.0001 * torch.linalg.matrix_norm(normal(1, 50, 70).double())


@pytest.mark.parametrize("side", [8, 512, 519])
def test_symmetric_products_are_products(side: int) -> None:
    x, plus = normal(2, side, 30), normal(2, side, side)
    plus = plus + plus.mT
    assert torch.allclose(symmetric(x, x.mT), x @ x.mT, atol=1e-4)
    found = symmetric(x, x.mT, plus, alpha=0.5, beta=-2.0)
    assert torch.allclose(found, 0.5 * (x @ x.mT) - 2 * plus, atol=1e-4)


def test_the_argument_is_not_changed() -> None:
    matrices = normal(2, 8, 8)
    before = matrices.clone()
    for dtype in DTYPES.values():
        orthogonalise(matrices, SETS["jordan"], dtype)
    assert torch.equal(matrices, before)
