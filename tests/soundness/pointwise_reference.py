"""Every scalar function of the table once more, in ball arithmetic and written independently of it.

A function acts on power series, so the series of φ(t + x) holds φ(t), φ'(t), φ''(t)/2, ... as balls.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flint import arb, arb_series, ctx

Function = Callable[[arb_series], arb_series]


@dataclass(frozen=True)
class Case:
    """One row of the table with its parameters.

    kinks: where φ' jumps. domain: where φ is defined (open).
    steep: intervals are drawn from this part of the domain when a finite bound is expected.
    """

    name: str
    phi: Function
    parameters: dict[str, float | None] = field(default_factory=dict)
    kinks: tuple[float, ...] = ()
    domain: tuple[float, float] = (-1e308, 1e308)
    steep: tuple[float, float] = (-8.0, 8.0)

    @property
    def label(self) -> str:
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.parameters.items())])


@contextmanager
def precision(bits: int, terms: int) -> Iterator[None]:
    """Work with `bits` bits and series of `terms` terms."""
    before = ctx.prec, ctx.cap
    ctx.prec, ctx.cap = bits, terms
    try:
        yield
    finally:
        ctx.prec, ctx.cap = before


def derivatives(phi: Function, at: arb, terms: int, bits: int = 200) -> list[arb]:
    """φ, φ', φ'', ... on the ball `at`, as balls; NaN where it is too wide, or `bits` too few, to tell."""
    with precision(bits, terms):
        try:
            series = phi(arb_series([at, 1]))
        except ValueError:  # a denominator that may be 0
            return [arb.nan()] * terms
        factorial, found = arb(1), []
        for order in range(terms):
            factorial *= max(order, 1)
            found.append(series[order] * factorial)
        return found


def _start(x: arb_series) -> arb:
    return x[0]


def _lines(*pieces: tuple[float, Function]) -> Function:
    """Piecewise: each piece holds up to its right end."""

    def phi(x: arb_series) -> arb_series:
        return next(piece for right, piece in pieces if _start(x) <= arb(right))(x)

    return phi


def _third(x: arb_series) -> arb_series:
    return x * (x + 3) / 6


def _one_plus_exp(x: arb_series) -> arb_series:
    return 1 + x.exp()


def _sigmoid(x: arb_series) -> arb_series:
    return 1 / _one_plus_exp(-x)


def _tanh(x: arb_series) -> arb_series:
    return 1 - 2 / _one_plus_exp(2 * x)


def _gelu(x: arb_series) -> arb_series:
    return x * (-x / arb(2).sqrt()).erfc() / 2


def _gelu_tanh(x: arb_series) -> arb_series:
    return x * _sigmoid(2 * (2 / arb.pi()).sqrt() * (x + arb("0.044715") * x * x * x))


def _mish(x: arb_series) -> arb_series:
    """tanh(log(1 + e)) = 1 - 2/((1 + e)² + 1)."""
    whole = _one_plus_exp(x)
    return x * (1 - 2 / (whole * whole + 1))


def _softsign(x: arb_series) -> arb_series:
    return x / (1 + x) if _start(x) >= 0 else x / (1 - x)


def _softplus(beta: float) -> Function:
    return lambda x: _one_plus_exp(arb(beta) * x).log() / arb(beta)


def _elu(alpha: float, scale: float, input_scale: float = 1.0) -> Function:
    def left(x: arb_series) -> arb_series:
        return arb(scale) * arb(alpha) * ((arb(input_scale) * x).exp() - 1)

    return _lines((0.0, left), (INF, lambda x: arb(scale) * x))


def _celu(alpha: float) -> Function:
    return _lines((0.0, lambda x: arb(alpha) * ((x / arb(alpha)).exp() - 1)), (INF, _same))


def _flat(value: float) -> Function:
    return lambda x: 0 * x + arb(value)


def _same(x: arb_series) -> arb_series:
    return x


def _power(n: int) -> Function:
    def phi(x: arb_series) -> arb_series:
        result = x
        for _ in range(n - 1):
            result = result * x
        return result

    return phi


INF = float("inf")
POSITIVE = {"domain": (1e-307, 1e308), "steep": (0.05, 8.0)}

CASES = [
    Case("relu", _lines((0.0, _flat(0)), (INF, _same)), kinks=(0.0,)),
    *(
        Case(
            "leaky_relu", _lines((0.0, lambda x, s=s: arb(s) * x), (INF, _same)),
            {"negative_slope": s}, (0.0,),
        )
        for s in (0.01, -0.3, 2.5)
    ),
    Case("relu6", _lines((0.0, _flat(0)), (6.0, _same), (INF, _flat(6))), kinks=(0.0, 6.0)),
    Case(
        "hardtanh", _lines((-1.5, _flat(-1.5)), (0.7, _same), (INF, _flat(0.7))),
        {"min_val": -1.5, "max_val": 0.7}, (-1.5, 0.7),
    ),
    Case("clamp", _lines((-0.2, _flat(-0.2)), (INF, _same)), {"min": -0.2, "max": None}, (-0.2,)),
    Case("clamp", _lines((2.0, _same), (INF, _flat(2))), {"min": None, "max": 2.0}, (2.0,)),
    Case("clamp", _flat(-1.0), {"min": 1.0, "max": -1.0}),
    Case("abs", _lines((0.0, lambda x: -x), (INF, _same)), kinks=(0.0,)),
    Case(
        "hardsigmoid", _lines((-3.0, _flat(0)), (3.0, lambda x: (x + 3) / 6), (INF, _flat(1))),
        kinks=(-3.0, 3.0),
    ),
    Case("hardswish", _lines((-3.0, _flat(0)), (3.0, _third), (INF, _same)), kinks=(-3.0, 3.0)),
    *(
        Case(
            "softshrink",
            _lines((-s, lambda x, s=s: x + arb(s)), (s, _flat(0)), (INF, lambda x, s=s: x - arb(s))),
            {"lambd": s}, (-s, s),
        )
        for s in (0.5, 2.0)
    ),
    *(Case("elu", _elu(a, 1.0), {"alpha": a}, (0.0,)) for a in (1.0, 0.3, 2.0, -0.7)),
    Case("elu", _elu(1.3, 0.7, 2.5), {"alpha": 1.3, "scale": 0.7, "input_scale": 2.5}, (0.0,)),
    *(Case("celu", _celu(a), {"alpha": a}, (0.0,)) for a in (1.0, 0.3, 3.0)),
    Case("selu", _elu(1.6732632423543772, 1.0507009873554805), kinks=(0.0,)),
    Case("tanh", _tanh),
    Case("sigmoid", _sigmoid),
    Case("logsigmoid", lambda x: -_one_plus_exp(-x).log()),
    *(Case("softplus", _softplus(b), {"beta": b}) for b in (1.0, 0.2, 7.0)),
    Case("tanhshrink", lambda x: x - _tanh(x)),
    Case("softsign", _softsign, kinks=(0.0,)),
    Case("silu", lambda x: x * _sigmoid(x)),
    Case("gelu", _gelu),
    Case("gelu_tanh", _gelu_tanh),
    Case("mish", _mish),
    Case("erf", lambda x: x.erf()),
    Case("atan", lambda x: x.atan()),
    Case("sin", lambda x: x.sin()),
    Case("cos", lambda x: x.cos()),
    Case("exp", lambda x: x.exp()),
    Case("expm1", lambda x: x.exp() - 1),
    Case("log", lambda x: x.log(), **POSITIVE),
    Case("log1p", lambda x: (1 + x).log(), domain=(-1 + 1e-15, 1e308), steep=(-0.9, 8.0)),
    Case("sqrt", lambda x: x.sqrt(), **POSITIVE),
    Case("rsqrt", lambda x: x.rsqrt(), **POSITIVE),
    Case("reciprocal", lambda x: 1 / x, **POSITIVE),
    Case("reciprocal", lambda x: 1 / x, domain=(-1e308, -1e-307), steep=(-8.0, -0.05)),
    *(Case("pow", _power(n), {"exponent": n}) for n in (2, 3, 6, 7)),
]  # fmt: skip
