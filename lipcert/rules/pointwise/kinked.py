"""Functions made of lines, and of lines and exponentials, joined at kinks."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lipcert.rules.pointwise.curve import Array, Curve, exact_turn
from lipcert.rules.pointwise.record import Curves, Place, Scalar, require

Value = Callable[[Array], Array]
Bound = Scalar | Tensor | None

FEW_ROUNDINGS = 2.0**-50
"""Relative error of a value made by at most four roundings."""


def identity(x: Array) -> Array:
    return x


def constant(value: Place) -> Value:
    def of(x: Array) -> Array:
        number = np.asarray(value, dtype=np.float64)
        return np.broadcast_to(number, np.broadcast_shapes(x.shape, number.shape))

    return of


def _exact(value: Value, left: Place = -np.inf, right: Place = np.inf) -> Curve:
    """A piece computed without any rounding."""
    return Curve(value, left=left, right=right, relative=0.0, absolute=0.0)


# relu, abs, leaky_relu: two lines that meet at 0.


def relu() -> Curves:
    return _exact(constant(0.0), right=0.0), _exact(identity, left=0.0)


def relu_derivative() -> Curves:
    return _exact(constant(0.0), right=0.0), _exact(constant(1.0), left=0.0)


def absolute() -> Curves:
    return (Curve(np.abs, (exact_turn(0.0, 0.0),), relative=0.0, absolute=0.0),)


def absolute_derivative() -> Curves:
    return _exact(constant(-1.0), right=0.0), _exact(constant(1.0), left=0.0)


def leaky_relu_forward(x: Tensor, negative_slope: Scalar | Array | Tensor = 0.01) -> Tensor:
    return torch.where(x > 0, x, torch.as_tensor(negative_slope, dtype=x.dtype) * x)


def leaky_relu(negative_slope: Place = 0.01) -> Curves:
    return Curve(lambda x: negative_slope * x, right=0.0, relative=FEW_ROUNDINGS), _exact(identity, left=0.0)


def leaky_relu_derivative(negative_slope: Place = 0.01) -> Curves:
    return _exact(constant(negative_slope), right=0.0), _exact(constant(1.0), left=0.0)


# clamp and its named cases: min(max(x, min), max).


def clamp_forward(x: Tensor, min: Bound = None, max: Bound = None) -> Tensor:
    low = x if min is None else torch.maximum(x, torch.as_tensor(min, dtype=x.dtype))
    return low if max is None else torch.minimum(low, torch.as_tensor(max, dtype=x.dtype))


def _ends(min: Place | None, max: Place | None) -> tuple[Place, Place]:
    """The two kinks; min > max gives the constant max, as in torch."""
    right = np.inf if max is None else max
    left = -np.inf if min is None else min
    return np.minimum(left, right), right


def clamp(min: Place | None = None, max: Place | None = None) -> Curves:
    left, right = _ends(min, max)
    return (_exact(lambda x: np.clip(x, left, right)),)


def clamp_derivative(min: Place | None = None, max: Place | None = None) -> Curves:
    left, right = _ends(min, max)
    flat, line = constant(0.0), constant(1.0)
    return _exact(flat, right=left), _exact(line, left, right), _exact(flat, left=right)


def hardtanh_forward(x: Tensor, min_val: Scalar = -1.0, max_val: Scalar = 1.0) -> Tensor:
    return clamp_forward(x, min_val, max_val)


def hardtanh(min_val: Place = -1.0, max_val: Place = 1.0) -> Curves:
    return clamp(min_val, max_val)


def hardtanh_derivative(min_val: Place = -1.0, max_val: Place = 1.0) -> Curves:
    return clamp_derivative(min_val, max_val)


def relu6() -> Curves:
    return clamp(0.0, 6.0)


def relu6_derivative() -> Curves:
    return clamp_derivative(0.0, 6.0)


# Hard sigmoid and hard swish: min(max(x + 3, 0), 6)/6, and x times that.


def hardsigmoid() -> Curves:
    return (Curve(lambda x: np.clip(x + 3.0, 0.0, 6.0) / 6.0, least=0.0, most=1.0),)


def hardsigmoid_derivative() -> Curves:
    flat = constant(0.0)
    line = Curve(constant(1.0 / 6.0), left=-3.0, right=3.0, relative=FEW_ROUNDINGS)
    return _exact(flat, right=-3.0), line, _exact(flat, left=3.0)


def hardswish() -> Curves:
    bottom = exact_turn(-1.5, -0.375)
    middle = Curve(lambda x: x * (x + 3.0) / 6.0, (bottom,), left=-3.0, right=3.0, least=bottom.low)
    return _exact(constant(0.0), right=-3.0), middle, _exact(identity, left=3.0)


def hardswish_derivative() -> Curves:
    middle = Curve(lambda x: (2.0 * x + 3.0) / 6.0, left=-3.0, right=3.0, least=-0.5, most=1.5)
    return _exact(constant(0.0), right=-3.0), middle, _exact(constant(1.0), left=3.0)


# Soft shrinkage: x moved towards 0 by lambd.


def softshrink_forward(x: Tensor, lambd: Scalar = 0.5) -> Tensor:
    return torch.sign(x) * torch.relu(torch.abs(x) - lambd)


def softshrink(lambd: Place = 0.5) -> Curves:
    _require_shrinkage(lambd)
    return (Curve(lambda x: np.sign(x) * np.maximum(np.abs(x) - lambd, 0.0)),)


def softshrink_derivative(lambd: Place = 0.5) -> Curves:
    _require_shrinkage(lambd)
    line = constant(1.0)
    return (
        _exact(line, right=-np.asarray(lambd)),
        _exact(constant(0.0), -np.asarray(lambd), lambd),
        _exact(line, left=lambd),
    )


def _require_shrinkage(lambd: Place) -> None:
    require(np.asarray(lambd) >= 0, f"softshrink with lambd = {lambd} jumps at 0", "lambd must be at least 0")


# ELU, CELU and SELU: a line to the right of 0, an exponential to the left.

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def elu_forward(x: Tensor, alpha: Scalar = 1.0, scale: Scalar = 1.0, input_scale: Scalar = 1.0) -> Tensor:
    left = alpha * torch.expm1(input_scale * x.clamp(max=0.0))
    return scale * torch.where(x > 0, x, left)


def elu(alpha: Place = 1.0, scale: Place = 1.0, input_scale: Place = 1.0) -> Curves:
    _require_growth(input_scale)
    left = Curve(lambda x: scale * alpha * np.expm1(input_scale * x), right=0.0)
    return left, Curve(lambda x: scale * x, left=0.0, relative=FEW_ROUNDINGS)


def elu_derivative(alpha: Place = 1.0, scale: Place = 1.0, input_scale: Place = 1.0) -> Curves:
    _require_growth(input_scale)
    steepest = np.asarray(scale * alpha * input_scale, dtype=np.float64)
    # Two products are rounded, none where both scales are 1.
    exact = (np.asarray(scale) == 1) & (np.asarray(input_scale) == 1)
    margin = np.where(exact, 0.0, FEW_ROUNDINGS * np.abs(steepest))
    least, most = np.minimum(steepest - margin, 0.0), np.maximum(steepest + margin, 0.0)
    left = Curve(lambda x: steepest * np.exp(input_scale * x), right=0.0, least=least, most=most)
    return left, _exact(constant(scale), left=0.0)


def _require_growth(input_scale: Place) -> None:
    require(
        np.asarray(input_scale) > 0,
        f"ELU with input scale {input_scale} grows without a bound to the left",
        "CELU needs alpha > 0",
    )


def celu_forward(x: Tensor, alpha: Scalar = 1.0) -> Tensor:
    return elu_forward(x, alpha, 1.0, 1.0 / alpha)


def celu(alpha: Place = 1.0) -> Curves:
    _require_growth(alpha)
    return Curve(lambda x: alpha * np.expm1(x / alpha), right=0.0), _exact(identity, left=0.0)


def celu_derivative(alpha: Place = 1.0) -> Curves:
    _require_growth(alpha)
    left = Curve(lambda x: np.exp(x / alpha), right=0.0, least=0.0, most=1.0)
    return left, _exact(constant(1.0), left=0.0)


def selu() -> Curves:
    return elu(SELU_ALPHA, SELU_SCALE)


def selu_derivative() -> Curves:
    left, _ = elu_derivative(SELU_ALPHA, SELU_SCALE)
    return left, Curve(constant(SELU_SCALE), left=0.0, relative=FEW_ROUNDINGS)
