"""No secant slope of a scalar function ever leaves its enclosure, and the enclosures are tight."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from lipcert.errors import UnsupportedError
from lipcert.rules.pointwise import POINTWISE
from lipcert.rules.pointwise.curve import Array, Curve
from tests.soundness.pointwise_reference import CASES, Case, derivatives, precision

Slopes = Callable[[Array, Array], tuple[Array, Array]]
BITS = (200, 2600)

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)


def slopes_of(case: Case) -> Slopes:
    return lambda lo, hi: POINTWISE[case.name].slopes(lo, hi, **case.parameters)


def outside(ball: arb, low: float, high: float) -> bool:
    """The number in `ball` certainly leaves [low, high]."""
    return bool((np.isfinite(low) and ball < arb(low)) or (np.isfinite(high) and ball > arb(high)))


def secant(case: Case, lo: float, hi: float, shares: tuple[float, float], bits: int) -> arb:
    """The slope between the points at two shares of the way from lo to hi."""
    with precision(bits, 1):
        a, b = (arb(lo) + (arb(hi) - arb(lo)) * arb(share) for share in shares)
        return (derivatives(case.phi, a, 1, bits)[0] - derivatives(case.phi, b, 1, bits)[0]) / (a - b)


def intervals(case: Case, count: int, seed: int) -> tuple[Array, Array]:
    """Intervals of all widths where a finite bound is expected, some of them ending at a kink or a turn."""
    random = np.random.default_rng(seed)
    left, right = case.steep
    lo = random.uniform(left, right, count)
    hi = np.minimum(lo + 10 ** random.uniform(-4, 1.2, count), right)
    special = np.array([*case.kinks, 0.0, *(t for c in curves(case, "derivative") for t in places(c))])
    special = special[(special > left) & (special < right)]
    if special.size:
        near = random.choice(special, count // 4)
        lo[: count // 8], hi[count // 8 : count // 4] = near[: count // 8], near[count // 8 :]
    return np.minimum(lo, hi), np.maximum(lo, hi)


def curves(case: Case, which: str) -> tuple[Curve, ...]:
    numbers = {k: None if v is None else np.asarray(v, dtype=float) for k, v in case.parameters.items()}
    return getattr(POINTWISE[case.name], which)(**numbers)


def places(curve: Curve) -> list[float]:
    return [t.left / 2 + t.right / 2 for t in curve.turns if hasattr(t, "left")]


def steepest_points(case: Case, lo: Array, hi: Array, sign: float) -> Array:
    """For each interval the point where sign·φ' is largest, by a zooming search on autograd's φ'."""
    low, high = lo, hi
    near = 2.0 ** -np.arange(1, 30)
    shares = np.concatenate([np.linspace(0.01, 0.99, 63), near, 1 - near])[:, None]
    for _ in range(8):
        grid = low + (high - low) * shares
        x = torch.tensor(grid, requires_grad=True)
        (gradient,) = torch.autograd.grad(POINTWISE[case.name].forward(x, **case.parameters).sum(), x)
        best = np.take_along_axis(grid, np.argmax(sign * gradient.numpy(), axis=0)[None], axis=0)[0]
        width = (high - low) / 32
        low, high = np.maximum(lo, best - width), np.minimum(hi, best + width)
    return best


def attack(case: Case, slopes: Slopes, lo: Array, hi: Array) -> tuple[int, float]:
    """How many intervals are beaten by a secant, and the largest slack of the others.

    Two points a trillionth of the interval apart round the best point found, in ball arithmetic.
    """
    low, high = slopes(lo, hi)
    beaten, slack = 0, 0.0
    for sign, bound in ((1.0, high), (-1.0, low)):
        for x, left, right, limit in zip(steepest_points(case, lo, hi, sign), lo, hi, bound, strict=True):
            share = min(max((x - left) / (right - left), 0.0), 1 - 2.0**-40)
            pairs = [(share, share + 2.0**-40), (max(share - 2.0**-40, 0.0), max(share, 2.0**-40))]
            value = max((secant(case, left, right, pair, BITS[0]) for pair in pairs), key=lambda v: sign * v)
            beaten += bool(sign * value > arb(sign * limit))
            slack = max(slack, abs(float(value) - limit) / max(abs(limit), 1e-3))
    return beaten, slack


def test_every_function_has_a_case() -> None:
    assert set(POINTWISE) == {case.name for case in CASES}


@every_case
def test_optimised_secants_stay_inside_and_come_close(case: Case) -> None:
    lo, hi = intervals(case, 160, seed=1)
    beaten, slack = attack(case, slopes_of(case), lo, hi)
    assert beaten == 0
    assert slack < 1e-6


@pytest.mark.parametrize(
    ("name", "published"),
    [("gelu", 1.1289), ("gelu_tanh", 1.1289), ("gelu_tanh", 1.1289041452), ("silu", 1.0998), ("mish", 1.088),
     ("hardswish", 1.0), ("selu", 1.0507009873554805), ("elu", 0.99), ("sigmoid", 0.2499), ("erf", 1.128),
     ("hardsigmoid", 0.1666), ("tanh", 0.9999), ("softplus", 0.999)],
)  # fmt: skip
def test_a_constant_that_is_too_small_is_caught(name: str, published: float) -> None:
    case = next(case for case in CASES if case.name == name)
    whole = np.array([-9.0]), np.array([9.0])

    def clipped(lo: Array, hi: Array) -> tuple[Array, Array]:
        low, high = slopes_of(case)(lo, hi)
        return low, np.minimum(high, published)

    assert attack(case, clipped, *whole)[0] == 1
    assert attack(case, slopes_of(case), *whole)[0] == 0


@pytest.mark.parametrize(("name", "bottom"), [("gelu", -0.1289), ("silu", -0.0998), ("mish", -0.1125)])
def test_a_lower_slope_that_is_too_large_is_caught(name: str, bottom: float) -> None:
    case = next(case for case in CASES if case.name == name)

    def clipped(lo: Array, hi: Array) -> tuple[Array, Array]:
        low, high = slopes_of(case)(lo, hi)
        return np.maximum(low, bottom), high

    assert attack(case, clipped, np.array([-9.0]), np.array([9.0]))[0] == 1


def ends() -> st.SearchStrategy[float]:
    near = st.floats(-60, 60, allow_subnormal=False)
    return near | st.floats(-1e308, 1e308) | st.integers(-40, 40).map(float)


@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from(CASES),
    ends(),
    ends(),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_any_secant_on_any_interval(case: Case, end: float, other: float, shares: tuple[float, float]) -> None:
    lo, hi = sorted(np.clip([end, other], *case.domain).tolist())
    if not case.domain[0] < lo < hi:
        return
    record, between = POINTWISE[case.name], min(max(lo / 2 + hi / 2, lo), hi)
    low, high = (float(bound) for bound in record.slopes(lo, hi, **case.parameters))
    least, most = (float(bound) for bound in record.range(lo, hi, **case.parameters))
    for bits in BITS:
        assert not outside(secant(case, lo, hi, shares, bits), low, high)
        assert not outside(derivatives(case.phi, arb(between), 1, bits)[0], least, most)


def points(curve: Curve, domain: tuple[float, float]) -> Array:
    """Inside one piece: all magnitudes, ordinary numbers, and close to the ends and the turns."""
    random = np.random.default_rng(7)
    ends = [float(curve.left), float(curve.right), *places(curve)]
    close = [e + s * 10.0**k for e in ends if np.isfinite(e) for s in (-1, 1) for k in range(-15, 2)]
    size = 10 ** random.uniform(-307, 100, 300)
    x = np.concatenate([size, -size, random.uniform(-50, 50, 900), random.uniform(-760, 760, 300), close])
    return x[(x > max(curve.left, domain[0])) & (x < min(curve.right, domain[1]))]


def within(computed: float, ball: arb, relative: float, absolute: float) -> bool:
    if np.isinf(computed):
        return bool(abs(ball) > arb("1.7e308"))
    return bool(abs(arb(computed) - ball) <= arb(relative) * abs(arb(computed)) + arb(absolute))


@every_case
@pytest.mark.parametrize(("which", "order"), [("function", 0), ("derivative", 1)])
def test_computed_values_use_a_quarter_of_the_allowance(case: Case, which: str, order: int) -> None:
    for curve in curves(case, which):
        x = points(curve, case.domain)
        with np.errstate(all="ignore"):
            computed = curve.value(x)
        for at, value in zip(x, computed, strict=True):
            assert any(
                within(value, derivatives(case.phi, arb(at), order + 1, bits)[order], 0.25 * curve.relative,
                       0.25 * curve.absolute)
                for bits in BITS
            ), (at, value)  # fmt: skip


@every_case
def test_forward_is_the_function(case: Case) -> None:
    x = np.random.default_rng(3).uniform(*case.steep, 50)
    y = POINTWISE[case.name].forward(torch.tensor(x), **case.parameters)
    exact = [float(derivatives(case.phi, arb(t), 1)[0]) for t in x]
    torch.testing.assert_close(y, torch.tensor(exact, dtype=y.dtype), rtol=1e-12, atol=1e-14)


@every_case
def test_the_whole_domain_and_its_ends(case: Case) -> None:
    record = POINTWISE[case.name]
    lo = np.array([-np.inf, -np.inf, case.steep[1], np.inf, -np.inf])
    hi = np.array([np.inf, case.steep[0], np.inf, np.inf, -np.inf])
    for low, high in (record.slopes(lo, hi, **case.parameters), record.range(lo, hi, **case.parameters)):
        assert (low <= high).all()
        assert (low[:3] < np.inf).all()
        assert (high[:3] > -np.inf).all()


@every_case
@pytest.mark.parametrize("wrong", [(np.nan, 1.0), (0.1, np.nan), (np.nan, np.nan), (2.0, 1.0)])
def test_no_interval_no_bound(case: Case, wrong: tuple[float, float]) -> None:
    record = POINTWISE[case.name]
    for low, high in (record.slopes(*wrong, **case.parameters), record.range(*wrong, **case.parameters)):
        assert (low, high) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("name", "lo", "hi", "slope"),
    [("relu", -1.0, 0.0, (0, 0)), ("relu", 0.0, 1.0, (1, 1)), ("relu", -np.inf, np.inf, (0, 1)),
     ("tanh", -np.inf, np.inf, (0, 1)), ("elu", -np.inf, np.inf, (0, 1)), ("celu", -5, 5, None),
     ("hardswish", -np.inf, np.inf, (-0.5, 1.5)), ("sigmoid", -np.inf, np.inf, (0, 0.25)),
     ("softplus", -np.inf, np.inf, (0, 1)), ("sin", -np.inf, np.inf, (-1, 1)), ("abs", -2, 2, (-1, 1)),
     ("pow", -np.inf, np.inf, (-np.inf, np.inf)), ("exp", -np.inf, np.inf, (0, np.inf))],
)  # fmt: skip
def test_known_constants_are_exact(name: str, lo: float, hi: float, slope: tuple[float, float] | None) -> None:
    found = POINTWISE[name].slopes(lo, hi)
    assert slope is None or found == slope


@pytest.mark.parametrize(
    ("name", "lo", "hi"),
    [("log", 0.0, 1.0), ("log", -1.0, 1.0), ("sqrt", -1e-9, 1.0), ("rsqrt", 0.0, 1.0), ("reciprocal", -1, 1),
     ("reciprocal", 0.0, 1.0), ("log1p", -1.0, 0.0)],
)  # fmt: skip
def test_outside_the_domain_there_is_no_bound(name: str, lo: float, hi: float) -> None:
    record = POINTWISE[name]
    assert record.slopes(lo, hi) == record.range(lo, hi) == (-np.inf, np.inf)


def test_sqrt_at_zero_has_a_range_but_no_slope() -> None:
    assert POINTWISE["sqrt"].slopes(0.0, 1.0)[1] == np.inf
    assert POINTWISE["sqrt"].range(0.0, 1.0)[0] == 0


def test_one_slope_a_channel() -> None:
    slopes = np.array([0.2, -1.5])[:, None]
    lo, hi = np.full((2, 3), -1.0), np.full((2, 3), 1.0)
    low, high = POINTWISE["leaky_relu"].slopes(lo, hi, negative_slope=slopes)
    assert low.tolist() == [[0.2] * 3, [-1.5] * 3]
    assert (high == 1).all()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("celu", {"alpha": -1.0}), ("celu", {"alpha": 0.0}), ("softplus", {"beta": 0.0}),
     ("pow", {"exponent": 0.5}), ("softplus", {"beta": -1.0}), ("softplus", {"threshold": 1.0}),
     ("softshrink", {"lambd": -0.5}),
     ("elu", {"input_scale": -1.0}), ("pow", {"exponent": -1}), ("pow", {"exponent": 1e9}),
     ("leaky_relu", {"negative_slope": float("nan")}), ("clamp", {"min": float("nan")})],
)  # fmt: skip
def test_unproven_parameters_are_refused(name: str, parameters: dict[str, float]) -> None:
    with pytest.raises(UnsupportedError):
        POINTWISE[name].slopes(-1.0, 1.0, **parameters)
