"""The hard cap's polynomial, enclosed in ball arithmetic on the whole of its range."""

from collections.abc import Callable

import pytest
import torch
from flint import arb, arb_series

from lipcert.training.constraints.hard_cap import EXCESS, LARGEST, LOWER, RANGE, STEP, hard_cap
from lipcert.training.constraints.known import AIM, Known

Jet = arb_series
"""A value and a slope: a power series cut off after two terms."""

FURTHER = RANGE * (1 + 2.0**-10)
"""The range, and room for the rounding of what reaches its end."""


def relative(x: arb) -> Jet:
    """f(x)/x - 1 and its slope, on a ball."""
    square = Jet([x, 1], 2) * Jet([x, 1], 2)
    h = square
    for c in STEP:
        h = _polynomial(c, h)
    return _polynomial(EXCESS, square) * h


def _polynomial(coefficients: tuple[int, ...], h: Jet) -> Jet:
    total = Jet([0], 2)
    for c in reversed(coefficients):
        total = total * h + arb(c) / 2**16
    return total


def change(x: arb) -> Jet:
    """f(x) - x and its slope."""
    return Jet([x, 1], 2) * relative(x)


def enclosed(jet: Callable[[arb], Jet], low: float, high: float, holds: Callable[[arb, arb], bool]) -> bool:
    """Whether `holds(ball, enclosure of the function on it)` on pieces that cover [low, high]: by mean values."""
    todo = [(low, high)]
    while todo:
        a, b = todo.pop()
        middle = (a + b) / 2
        ball = arb(middle, (b - a) / 2 * (1 + 1e-12))
        value = jet(arb(middle))[0] + jet(ball)[1] * (ball - arb(middle))
        if holds(ball, value):
            continue
        if b - a < 1e-7:
            return False
        todo += [(a, middle), (middle, b)]
    return True


def test_the_largest_value_on_the_range_is_the_stated_one() -> None:
    assert enclosed(change, 0, FURTHER, lambda x, d: x + d <= arb(LARGEST))
    assert max(float((arb(i) / 1000 + change(arb(i) / 1000)[0]).mid()) for i in range(1312)) > LARGEST - 1e-4


def test_it_is_nowhere_further_below_the_exact_cap_than_stated() -> None:
    assert enclosed(change, 0, 1, lambda x, d: d >= -arb(LOWER))
    assert enclosed(change, 1, RANGE, lambda x, d: x + d >= 1 - arb(LOWER))


def test_small_singular_values_neither_grow_nor_shrink_noticeably() -> None:
    assert enclosed(relative, 0, 0.75, lambda _, r: (r <= 0) and (r >= -arb("2e-5")))


@pytest.mark.parametrize("shape", [(1, 400, 400), (1, 500, 400), (1, 400, 500)])
def test_the_products_compute_that_polynomial(shape: tuple[int, int, int]) -> None:
    sigma = torch.linspace(0, 1.3, 400, dtype=torch.float64)
    x = torch.zeros(shape, dtype=torch.float64)
    x[0, :400, :400] = torch.diag(sigma)
    level = AIM / LARGEST
    expected = [level * float((arb(s / level) + change(arb(s / level))[0]).mid()) for s in sigma.tolist()]
    computed = hard_cap(x, Known(1.0, 1.3, 0.0))[0, :400, :400]
    torch.testing.assert_close(computed, torch.diag(torch.tensor(expected, dtype=torch.float64)), rtol=0, atol=1e-12)
    in_float32 = hard_cap(x.float(), Known(1.0, 1.3, 0.0))[0, :400, :400]
    torch.testing.assert_close(in_float32.double(), computed, rtol=0, atol=2e-6)


def test_the_published_quintics_exceed_their_cap_and_diverge() -> None:
    """The four steps of arXiv 2507.13338, on one singular value: a peak of 1.011, and no bound beyond four caps."""

    def published(x: float) -> float:
        for a, b, c in (
            (0.805032, 0.206361, -0.019763),
            (0.649867, 0.162935, -0.011150),
            (1.810259, -0.200265, 0.008251),
            (1.004384, -0.183490, 0.014413),
        ):
            x = a * x + b * x**3 + c * x**5
        return x

    assert 1.010 < max(published(i / 1000) for i in range(1400)) < 1.012
    assert abs(published(5.0)) > 1e3
