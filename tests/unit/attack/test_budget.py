"""Budgets: what makes no sense is refused, and the ball that a budget allows holds without rounding."""

import math
from fractions import Fraction

import pytest
import torch

from lipcert.attacks.ball import Ball
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.errors import InputError, UsageError
from lipcert.norms.norm import L2, LINF, NORMS, TOKEN_L2, TOKEN_RMS


@pytest.mark.parametrize("eps", [-0.1, math.nan, math.inf, "x"])
def test_an_eps_that_is_no_radius_is_refused(eps: float | str) -> None:
    with pytest.raises(UsageError, match="the budget eps"):
        Budget.of(LINF, eps)


def test_eps_is_read_exactly_and_its_float_is_not_above() -> None:
    assert Budget.of(LINF, 0.1).eps == Fraction(1, 10)
    assert Fraction(Budget.of(LINF, 0.1).radius) <= Fraction(1, 10)
    assert Budget.of(LINF, "8/255").eps == Fraction(8, 255)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (1.0, 0.0), (math.nan, 1.0), (0.0, math.inf)])
def test_an_empty_range_is_refused(low: float, high: float) -> None:
    with pytest.raises(UsageError, match="range"):
        Budget.of(LINF, 0.1, low, high)


def test_an_eps_in_other_units_than_the_range_is_refused() -> None:
    with pytest.raises(UsageError, match=r"8 in linf is larger.*\n.*'8/255'"):
        Budget.of(LINF, 8, 0.0, 1.0)
    wide = Budget.of(L2, 5, 0.0, 1.0)
    wide.require(torch.rand(2, 25))
    with pytest.raises(UsageError, match="no two inputs are further apart than 4"):
        wide.require(torch.rand(2, 16))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(2, 3, dtype=torch.int64), "int64"),
        (torch.ones(0, 3), "empty"),
        (torch.tensor([[math.nan]]), "NaN"),
        (torch.tensor([[2.0]]), r"outside the range \[0, 1\]"),
    ],
)
def test_inputs_that_cannot_be_perturbed_are_refused(x: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Budget.of(LINF, 0.1, 0.0, 1.0).require(x)


def test_positions_need_a_bool_a_token() -> None:
    budget = Budget.of(TOKEN_L2, 0.1, positions=torch.ones(3, dtype=torch.bool))
    budget.require(torch.rand(2, 3, 4))
    with pytest.raises(UsageError, match="every token"):
        budget.require(torch.rand(2, 4, 4))


def test_an_effort_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="below 1"):
        Effort(steps=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("norm", NORMS.values(), ids=lambda norm: norm.name)
@pytest.mark.parametrize("eps", ["0.1", "1/3", "1e-9", "0"])
def test_what_fits_a_ball_is_inside_in_float64(norm: object, dtype: torch.dtype, eps: str) -> None:
    draws = Draws.of(0, "ball", torch.arange(20))
    x = draws.uniform((6, 5)).to(dtype)
    budget = Budget.of(norm, eps, 0.0, 1.0, torch.arange(6) < 4)  # type: ignore[arg-type]
    ball = Ball.of(budget, x)
    z = ball.fit((x + 3 * draws.normal((6, 5)).to(dtype)).clamp(0, 1))
    move = z.double() - x.double()
    assert bool((budget.norm.of(move) <= budget.radius).all())
    assert bool(((z >= 0) & (z <= 1)).all())
    assert bool((move[:, 4:] == 0).all())
    assert torch.equal(ball.fit(z), z)
    assert bool((budget.norm.of(ball.random(draws).double() - x.double()) <= budget.radius + 2e-3).all())


def test_the_projection_is_the_nearest_point_of_each_token() -> None:
    x, z = torch.zeros(1, 2, 4), torch.tensor([[[2.0, 0, 0, 0], [0, 0.1, 0, 0]]])
    for norm, length in ((TOKEN_L2, 0.5), (TOKEN_RMS, 1.0)):
        projected = Ball.of(Budget.of(norm, 0.5), x).project(z)
        assert torch.allclose(projected, torch.tensor([[[length, 0, 0, 0], [0, 0.1, 0, 0]]]))


def test_random_numbers_belong_to_their_example() -> None:
    together = Draws.of(3, "pgd", torch.arange(10))
    alone = Draws.of(3, "pgd", torch.tensor([7]))
    assert torch.equal(together.uniform((4,))[7:8], alone.uniform((4,)))
    assert torch.equal(together.select(torch.tensor([7])).normal((2, 2)), alone.normal((2, 2)))
    assert not torch.equal(
        Draws.of(4, "pgd", torch.tensor([7])).uniform((4,)), Draws.of(3, "pgd", torch.tensor([7])).uniform((4,))
    )


def test_random_numbers_look_random() -> None:
    draws = Draws.of(0, "look", torch.arange(1000))
    uniform, normal = draws.uniform((50,)), draws.normal((50,))
    assert abs(float(uniform.mean()) - 0.5) < 5e-3
    assert bool(((uniform >= 0) & (uniform < 1)).all())
    assert abs(float(normal.mean())) < 2e-2
    assert abs(float(normal.std()) - 1) < 2e-2
    assert abs(float(torch.corrcoef(uniform.T)[0, 1])) < 0.1
    assert set(draws.below(3, (5,)).flatten().tolist()) == {0, 1, 2}
