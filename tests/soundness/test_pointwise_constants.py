"""The turns written into the scalar functions, derived again: each is there, and there is no other.

On [-24, 24] by bisection in ball arithmetic: outside the turns' neighbourhoods the slope of the curve is
never 0, inside each its slope is monotone, so it has at most one zero. Beyond 24 by the tests on tails.
"""

import pytest
from flint import arb

from lipcert.rules.pointwise.curve import Curve, PeriodicTurn, Turn
from tests.soundness.pointwise_reference import CASES, Case, derivatives
from tests.soundness.test_pointwise import curves

REACH = 24.0
NEIGHBOURHOOD = 1e-4

# Left out: sin and cos (below), and those whose two derivatives are elementary: powers, lines, |x| and
# logsigmoid, softplus and tanhshrink, whose φ' are the sigmoid and the square of tanh.
BY_HAND = {"clamp", "pow", "reciprocal", "softsign", "sin", "cos", "logsigmoid", "softplus", "tanhshrink"}
SMOOTH = [case for case in CASES if not case.kinks and case.name not in BY_HAND]
CURVES = [pytest.param(case, order, id=f"{case.label}-{order}") for case in SMOOTH for order in (0, 1)]


def ball(left: float, right: float) -> arb:
    return arb(left).union(arb(right))


def curve(case: Case, order: int) -> Curve:
    (only,) = curves(case, ("function", "derivative")[order])
    return only


def taylor(case: Case, order: int, left: float, right: float) -> list[arb]:
    """The curve, its slope and its curvature over [left, right]."""
    return derivatives(case.phi, ball(left, right), order + 3)[order:]


def never_flat(case: Case, order: int, left: float, right: float) -> bool:
    """The slope of the curve has no zero in [left, right]."""
    pending = [(left, right)]
    for _ in range(20000):
        if not pending:
            return True
        a, b = pending.pop()
        slope = taylor(case, order, a, b)[1]
        if not (slope > 0 or slope < 0):
            pending += [(a, (a + b) / 2), ((a + b) / 2, b)]
    return False


@pytest.mark.parametrize(("case", "order"), CURVES)
def test_a_curve_turns_nowhere_else(case: Case, order: int) -> None:
    left, right = max(-REACH, case.steep[0] if case.domain[0] > -2 else -REACH), REACH
    for turn in sorted(curve(case, order).turns, key=lambda turn: turn.left):
        centre = turn.left / 2 + turn.right / 2
        assert never_flat(case, order, left, centre - NEIGHBOURHOOD)
        curvature = taylor(case, order, centre - NEIGHBOURHOOD, centre + NEIGHBOURHOOD)[2]
        assert curvature > 0 or curvature < 0
        left = centre + NEIGHBOURHOOD
    assert never_flat(case, order, left, right)


def extremes(case: Case, order: int, turn: Turn) -> tuple[arb, arb]:
    """Bounds of the curve on [left, right] round its turn t: value(left) ± max|slope|·(right - left)."""
    value = taylor(case, order, turn.left, turn.left)[0]
    slope = taylor(case, order, turn.left, turn.right)[1]
    moved = abs(slope) * (arb(turn.right) - arb(turn.left))
    return arb((value - moved).lower()), arb((value + moved).upper())


@pytest.mark.parametrize(("case", "order"), CURVES)
def test_the_turns_are_where_they_are_said_to_be(case: Case, order: int) -> None:
    for turn in curve(case, order).turns:
        assert isinstance(turn, Turn)
        _, before, _ = taylor(case, order, turn.left, turn.left)
        _, after, _ = taylor(case, order, turn.right, turn.right)
        assert (before * after < 0) or (turn.left == turn.right and before.contains(0))
        low, high = extremes(case, order, turn)
        assert arb(turn.low) <= low
        assert high <= arb(turn.high)
        assert high - low < arb("1e-15")


@pytest.mark.parametrize(("case", "order"), CURVES)
def test_the_limits_of_a_curve_hold_at_its_turns(case: Case, order: int) -> None:
    """`least` and `most` cut enclosures, so they must be beyond the curve on all of [-24, 24]."""
    found = curve(case, order)
    steps = [k / 4 for k in range(-4 * int(REACH), 4 * int(REACH))]
    for left in steps:
        if left > case.domain[0] and (case.domain[0] < -2 or left >= case.steep[0]):
            value = derivatives(case.phi, arb(left), order + 1)[order]
            assert not value < arb(found.least)
            assert not value > arb(found.most)


def test_gelu_tanh_has_no_turn_beyond_three() -> None:
    """φ''/sech²(u) = u' + xu''/2 - x·tanh(u)·u'², even. With u' = β(1+3κx²), xu''/2 = 3βκx²:

    u' + xu''/2 <= 2u', and x·tanh(u)·u' rises for x > 0, so φ'' < 0 once x·tanh(u)·u' > 2.
    """
    x, beta, kappa = arb(3), (2 / arb.pi()).sqrt(), arb("0.044715")
    assert x * (beta * (x + kappa * x**3)).tanh() * beta * (1 + 3 * kappa * x * x) > 2


@pytest.mark.parametrize("side", [-1, 1])
def test_mish_has_no_turn_beyond_twenty(side: int) -> None:
    """φ' = e·w/d² with e = exp(x), w = 4(x+1) + (4x+6)e + 4e² + e³, d = 2 + 2e + e², so φ'' has the sign of
    n = (w + w')d - 2wd', a polynomial in e whose coefficients are linear in x. Divided by x (left, where e is
    small) or by xe³ (right, where 1/e is; the terms e⁴ and e⁵ cancel), only the leading term is left."""
    n = _mish_curvature()
    small = ball(0, float(arb(-20).exp()) * 1.001)  # e on the left of -20, 1/e on the right of 20
    inverse = ball(-0.05, 0) if side < 0 else ball(0, 0.05)  # 1/x
    leading = sum(
        (a * inverse + b) * small ** (power if side < 0 else 3 - power)
        for power, (a, b) in enumerate(n)
        if side < 0 or power <= 3
    )
    assert n[4] == n[5] == (0, 0)
    assert leading > 0 if side < 0 else leading < 0


def _mish_curvature() -> list[tuple[int, int]]:
    """n by powers of e, each coefficient as (constant, factor of x); e' = e."""
    w = [(4, 4), (6, 4), (4, 0), (1, 0)]
    d = [2, 2, 1]
    w_slope = [(k * a + b, k * b) for k, (a, b) in enumerate(w)]
    d_slope = [k * a for k, a in enumerate(d)]
    n = [(0, 0)] * 6
    for i in range(4):
        for j in range(3):
            for term, factor in ((w[i], d[j]), (w_slope[i], d[j]), (w[i], -2 * d_slope[j])):
                n[i + j] = (n[i + j][0] + term[0] * factor, n[i + j][1] + term[1] * factor)
    return n


def test_silu_has_no_turn_beyond_three() -> None:
    """φ'' = s'·(2 - x·tanh(x/2)), and x·tanh(x/2) is even and rises for x > 0."""
    assert arb(3) * arb("1.5").tanh() > 2


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_waves_turn_at_quarters(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    for order in (0, 1):
        for turn in curve(case, order).turns:
            assert isinstance(turn, PeriodicTurn)
            value, slope, _ = derivatives(case.phi, 2 * arb.pi() * arb(turn.offset), order + 3)[order:]
            assert value.contains(turn.value)
            assert slope.contains(0)
