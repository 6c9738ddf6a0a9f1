"""Elementary functions: some have a finite slope only on part of the line."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lipcert.rules.pointwise.curve import Array, Curve, Mask, PeriodicTurn, exact_turn
from lipcert.rules.pointwise.record import Curves, Place, Scalar, require

# sin and cos: turns at quarters of a period, given as fractions of 2π.


def _wave(value: Callable[[Array], Array], top: float, bottom: float) -> Curves:
    turns = PeriodicTurn(top, 1.0), PeriodicTurn(bottom, -1.0)
    return (Curve(value, turns, least=-1.0, most=1.0),)


def sin() -> Curves:
    return _wave(np.sin, top=0.25, bottom=0.75)


def cos() -> Curves:
    return _wave(np.cos, top=0.0, bottom=0.5)


def cos_derivative() -> Curves:
    return _wave(lambda x: -np.sin(x), top=0.75, bottom=0.25)


# Exponentials and logarithms.


def exp() -> Curves:
    return (Curve(np.exp, least=0.0),)


def expm1() -> Curves:
    return (Curve(np.expm1, least=-1.0),)


def log() -> Curves:
    return (Curve(np.log, left=0.0),)


def log_derivative() -> Curves:
    return (Curve(lambda x: 1 / x, left=0.0, least=0.0),)


def log1p() -> Curves:
    return (Curve(np.log1p, left=-1.0),)


def log1p_derivative() -> Curves:
    return (Curve(lambda x: 1 / (1 + x), left=-1.0, least=0.0),)


# Roots, reciprocals and powers.


def sqrt() -> Curves:
    return (Curve(np.sqrt, left=0.0, least=0.0),)


def sqrt_derivative() -> Curves:
    return (Curve(lambda x: 0.5 / np.sqrt(x), left=0.0, least=0.0),)


def rsqrt() -> Curves:
    return (Curve(lambda x: 1 / np.sqrt(x), left=0.0, least=0.0),)


def rsqrt_derivative() -> Curves:
    return (Curve(lambda x: -0.5 * (1 / np.sqrt(x)) ** 3, left=0.0, most=0.0),)


def reciprocal() -> Curves:
    return Curve(lambda x: 1 / x, right=0.0, most=0.0), Curve(lambda x: 1 / x, left=0.0, least=0.0)


def reciprocal_derivative() -> Curves:
    def value(x: Array) -> Array:
        return -((1 / x) ** 2)

    return Curve(value, right=0.0, most=0.0), Curve(value, left=0.0, most=0.0)


def power_forward(x: Tensor, exponent: Scalar = 2) -> Tensor:
    return torch.pow(x, int(exponent))


def power(exponent: Place = 2.0) -> Curves:
    n = _integer(exponent)
    if n % 2:
        return (Curve(lambda x: np.power(x, n)),)
    return (Curve(lambda x: np.power(x, n), (exact_turn(0.0, 0.0),), least=0.0),)


def power_derivative(exponent: Place = 2.0) -> Curves:
    n = _integer(exponent)
    if n % 2:
        return (Curve(lambda x: n * np.power(x, n - 1), (exact_turn(0.0, 0.0),), least=0.0),)
    return (Curve(lambda x: n * np.power(x, n - 1)),)


def _integer(exponent: Place) -> int:
    """An integer n with 2 <= n <= 64, where powers computed in float64 keep the allowed error."""
    n = np.asarray(exponent)
    proven = n.ndim == 0 and n == np.floor(n) and 2 <= n <= 64
    require(proven, f"x**{exponent} has no rule", "exponents must be whole numbers from 2 to 64")
    return int(n)


# Where they are defined.


def positive(lo: Array, hi: Array) -> Mask:
    return np.asarray(lo > 0)


def nonnegative(lo: Array, hi: Array) -> Mask:
    return np.asarray(lo >= 0)


def above_minus_one(lo: Array, hi: Array) -> Mask:
    return np.asarray(lo > -1)


def nonzero(lo: Array, hi: Array) -> Mask:
    return np.asarray((lo > 0) | (hi < 0))
