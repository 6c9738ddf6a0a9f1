"""Each constraint as a projection: what it leaves alone, where it puts the rest; and what is promised of it."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lipcert.errors import InputError, UsageError
from lipcert.training.constraints import AIM, CONSTRAINTS, Known, bring_under, cap_rows
from lipcert.training.constraints.gram import LOOSE, largest_upper, squarings
from lipcert.training.constraints.guarantee import GUARANTEES, guarantee
from lipcert.training.constraints.soft_cap import MONOTONE, SLACK, coupling
from lipcert.training.constraints.top import top

CAP = 2.0
SHAPES = [(3, 1, 8), (3, 8, 1), (3, 10, 10), (3, 24, 10), (3, 10, 24)]
AFTER_A_STEP = Known(CAP, reach=1.25 * CAP, decay=0.0)
CAPS = ("spectral_normalisation", "soft_cap", "hard_cap", "svd_cap")


def matrices(shape: tuple[int, ...], largest: float, seed: int = 0) -> Tensor:
    """Random matrices with this largest singular value, float32."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (x * (largest / sigma(x)[:, :1, None])).float()


def sigma(x: Tensor) -> Tensor:
    return torch.linalg.svdvals(x.double())


def apply(name: str, x: Tensor, known: Known = AFTER_A_STEP) -> Tensor:
    return CONSTRAINTS[name].apply(x, known)


@pytest.mark.parametrize("shape", SHAPES)
def test_inside_nothing_changes(shape: tuple[int, ...]) -> None:
    x = matrices(shape, 0.7 * CAP)
    for name in ("none", "weight_decay", "spectral_normalisation", "svd_cap"):
        assert torch.equal(apply(name, x), x)
    assert (sigma(apply("hard_cap", x)) - sigma(x)).abs().max() < 2e-5 * CAP
    still = apply("soft_cap", x, Known(CAP, reach=CAP, decay=0.0))  # the coupling of a step of length 0
    assert (sigma(still) - sigma(x)).abs().max() < 2 * SLACK * CAP
    assert torch.equal(apply("soft_cap", x, Known(CAP, reach=0.99 * CAP, decay=0.01)), x)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_boundary_stays_the_boundary(shape: tuple[int, ...]) -> None:
    x = matrices(shape, AIM * CAP * (1 - 1e-6))
    assert torch.equal(apply("svd_cap", x), x)
    assert sigma(apply("spectral_normalisation", x)).max() > CAP * AIM / (1 + LOOSE)
    assert sigma(apply("hard_cap", x)).max() > 0.994 * CAP
    assert sigma(apply("soft_cap", x, Known(CAP, reach=CAP, decay=0.0))).max() > (1 - 2 * SLACK) * AIM * CAP


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CAPS)
def test_what_was_outside_lands_on_the_boundary_or_under_it(name: str, shape: tuple[int, ...]) -> None:
    x = matrices(shape, 1.25 * CAP * (1 - 1e-6))
    assert 0.985 * CAP < sigma(apply(name, x)).max() <= CAP


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CAPS)
def test_singular_vectors_stay(name: str, shape: tuple[int, ...]) -> None:
    """The result is XP with P symmetric, as every function of singular values alone gives it."""
    x = matrices(shape, 1.2 * CAP).double()
    product = x.mT @ apply(name, x)
    torch.testing.assert_close(product, product.mT, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_the_argument_is_kept_and_stacks_are_independent(name: str) -> None:
    x = torch.cat([matrices((2, 9, 6), 1.2 * CAP), torch.zeros(1, 9, 6), matrices((1, 9, 6), 0.1 * CAP)])
    before = x.clone()
    known = Known(CAP, 1.25 * CAP, 0.1)
    together = apply(name, x, known)
    assert torch.equal(x, before)
    assert together.dtype == x.dtype
    assert not together[2].any()
    alone = torch.cat([apply(name, x[i : i + 1], known) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [*CAPS, "stiefel"])
def test_tall_and_wide_are_the_same(name: str) -> None:
    x = matrices((2, 9, 6), 1.2 * CAP).double()
    torch.testing.assert_close(apply(name, x.mT).mT, apply(name, x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("shape", [*SHAPES, (2, 300, 300)])
def test_the_gram_bound_is_above_the_norm_by_one_percent_at_most(shape: tuple[int, ...], size: float) -> None:
    flat = torch.linalg.qr(matrices(shape, 1.0).double())[0]  # equal singular values: the loosest case
    for x in (size * matrices(shape, 1.0).double(), size * flat):
        ratio = largest_upper(x) / sigma(x)[:, 0]
        assert ratio.min() >= 1 - 1e-14
        assert ratio.max() <= 1 + LOOSE
        rounded = largest_upper(x.float()) / sigma(x.float())[:, 0]
        assert rounded.min() >= 1 - 2.0**-18


def test_squarings_are_as_many_as_one_percent_needs() -> None:
    for side in (2, 64, 256, 768, 4096):
        assert side ** (0.5 ** (squarings(side) + 2)) <= 1 + LOOSE < side ** (0.5 ** (squarings(side) + 1))
    assert squarings(1) == 0


@pytest.mark.parametrize("k", [1 + 1e-9, 1 + SLACK, 1.01, 1.1, 1.3, MONOTONE])
def test_the_coupling_is_the_positive_root_of_the_papers_equation(k: float) -> None:
    roots = np.roots([-(k**9), 3 * k**7, -3 * k**5, 0, k - 1])
    positive = [root.real for root in roots if abs(root.imag) < 1e-9 and 0 < root.real <= 1 / k**2]
    assert coupling(k) == pytest.approx(positive[0], rel=1e-5 if k > 1.001 else 1e-2)
    y = k - coupling(k) * k**3
    assert y + coupling(k) * y**3 == pytest.approx(1, abs=1e-14)


def test_there_is_no_coupling_below_the_cap_and_the_last_one_beyond_its_range() -> None:
    assert coupling(0.9) < 1e-20
    assert coupling(5.0) == coupling(MONOTONE)
    assert coupling(MONOTONE) * MONOTONE**2 == pytest.approx(1 / 3, rel=1e-12)


def test_a_reach_for_each_matrix_is_a_coupling_for_each() -> None:
    x = matrices((3, 8, 6), 1.1 * CAP).double()
    reaches = torch.tensor([1.1, 1.2, 1.9], dtype=torch.float64) * CAP
    each = [apply("soft_cap", x[i : i + 1], Known(CAP, float(reaches[i]), 0.0)) for i in range(3)]
    torch.testing.assert_close(apply("soft_cap", x, Known(CAP, reaches, 0.0)), torch.cat(each), rtol=0, atol=1e-12)


def test_hard_cap_projects_what_lies_beyond_its_range() -> None:
    x = torch.cat([matrices((1, 8, 6), 50 * CAP), matrices((1, 8, 6), 0.5 * CAP)])
    out = apply("hard_cap", x, Known(CAP, math.inf, 0.0))
    assert (sigma(out) - sigma(x).clamp(max=CAP)).abs().max() < 0.006 * CAP


def test_stiefel_sets_every_singular_value_that_is_no_speck() -> None:
    out = sigma(apply("stiefel", matrices((2, 40, 24), 3.0)))
    assert (out - AIM * CAP).abs().max() < 1e-5 * CAP


def test_hammer_and_spectral_decay_move_the_largest_singular_value_only() -> None:
    u, _, v = torch.linalg.svd(matrices((1, 8, 6), 1.0).double(), full_matrices=False)
    before = torch.tensor([3.0, 1.5, 1.0, 0.5, 0.2, 0.1], dtype=torch.float64)
    x = (u * before) @ v
    known = Known(CAP, 1.5 * CAP, 0.1)
    hammered = torch.cat([torch.tensor([AIM * CAP], dtype=torch.float64), before[1:]])
    decayed = torch.cat([torch.tensor([2.7], dtype=torch.float64), before[1:]])
    torch.testing.assert_close(sigma(apply("spectral_hammer", x, known))[0], hammered, rtol=0, atol=1e-5)
    torch.testing.assert_close(sigma(apply("spectral_weight_decay", x, known))[0], decayed, rtol=0, atol=1e-5)
    assert (top(x)[1].flatten() <= 3.0 + 1e-12).all()


@pytest.mark.parametrize("size", [0.0, 1e-40, 1.0, 1e30])
@pytest.mark.parametrize("shape", SHAPES)
def test_starting_weights_are_brought_under_from_anywhere(shape: tuple[int, ...], size: float) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * size
    out = bring_under(x, CAP)
    assert sigma(out).max() <= CAP
    assert (sigma(out) - sigma(x).clamp(max=AIM * CAP)).abs().max() < 1e-6


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_starting_weights_that_are_no_numbers_are_refused(wrong: float) -> None:
    with pytest.raises(InputError, match="NaN or infinity"):
        bring_under(torch.full((1, 2, 2), wrong), CAP)


def test_rows_are_capped_in_float32_and_others_are_kept() -> None:
    x = torch.randn(500, 33, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 500)[:, None]
    x[0], x[1] = 0, 3e38
    out = cap_rows(x, 1.5)
    rms = out.double().square().mean(1).sqrt()
    was = x.double().square().mean(1).sqrt()
    assert rms.max() <= 1.5
    assert rms[was > 1.5].min() > 1.5 * (1 - 2.0**-19)
    assert torch.equal(out[was < 1.499], x[was < 1.499])


def test_every_constraint_says_what_it_guarantees() -> None:
    assert GUARANTEES.keys() == CONSTRAINTS.keys()


def promised(name: str, lr: float = 0.1, decay: float = 0.0, update: float = 1.0, w_max: float = 1.0) -> bool:
    return guarantee(name, "muon", w_max=w_max, lr=lr, decay=decay, update=update).holds


def test_weight_decay_holds_where_updates_over_decay_fit() -> None:
    assert promised("weight_decay", decay=1 / AIM)
    assert not promised("weight_decay", decay=1.0)
    assert promised("weight_decay", decay=2 / AIM, update=2.0)
    assert not promised("weight_decay", decay=20.0)  # λ·lr above 1
    assert not promised("weight_decay", decay=0.0)


def test_the_soft_cap_holds_where_a_step_fits() -> None:
    assert promised("soft_cap", lr=0.3)
    assert promised("soft_cap", lr=1.6)  # beyond 81/62, and within 81/31
    assert not promised("soft_cap", lr=1.62)
    assert promised("soft_cap", lr=1.62, decay=0.1)
    assert "81/62" in guarantee("soft_cap", "muon", w_max=1.0, lr=0.3, decay=0.0, update=1.0).why


@pytest.mark.parametrize("update", [math.inf, math.nan])
def test_updates_without_a_bound_are_held_by_projections_only(update: float) -> None:
    held = {name for name in CONSTRAINTS if promised(name, decay=0.1, update=update)}
    assert held == {"spectral_normalisation", "hard_cap", "stiefel", "svd_cap"}


def test_an_unknown_constraint_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="no constraint 'softcap'") as refused:
        promised("softcap")
    assert "soft_cap" in refused.value.hint
