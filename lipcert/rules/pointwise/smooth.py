"""Smooth activations. What follows from φ'' is in each `source`; the places and values of the turns are
derived, and shown to be all there are, by the tests of the constants.
"""

import math

import numpy as np
import torch
from scipy.special import erf as _erf
from scipy.special import expit, log_expit, ndtr
from torch import Tensor

from lipcert.rules.pointwise.curve import CANCELLATION, RELATIVE, Array, Curve, exact_turn, near_turn
from lipcert.rules.pointwise.record import Curves, Place, Scalar, require


def _clip(x: Array, reach: float) -> Array:
    """x where the curve still moves; beyond, it equals its limit to within `TINY`."""
    return np.clip(x, -reach, reach)


# tanh, sigmoid and their relatives.


def tanh() -> Curves:
    return (Curve(np.tanh, least=-1.0, most=1.0),)


def tanh_derivative() -> Curves:
    def value(x: Array) -> Array:
        decay = np.exp(-2.0 * np.abs(x))
        return 4.0 * decay / (1.0 + decay) ** 2

    return (Curve(value, (exact_turn(0.0, 1.0),), least=0.0, most=1.0),)


def sigmoid() -> Curves:
    return (Curve(expit, least=0.0, most=1.0),)


def sigmoid_derivative() -> Curves:
    def value(x: Array) -> Array:
        decay = np.exp(-np.abs(x))
        return decay / (1.0 + decay) ** 2

    return (Curve(value, (exact_turn(0.0, 0.25),), least=0.0, most=0.25),)


def logsigmoid() -> Curves:
    return (Curve(log_expit, most=0.0),)


def logsigmoid_derivative() -> Curves:
    return (Curve(lambda x: expit(-x), least=0.0, most=1.0),)


def tanhshrink_forward(x: Tensor) -> Tensor:
    return x - torch.tanh(x)


def tanhshrink() -> Curves:
    return (Curve(lambda x: x - np.tanh(x), absolute=CANCELLATION),)


def tanhshrink_derivative() -> Curves:
    return (Curve(lambda x: np.tanh(x) ** 2, (exact_turn(0.0, 0.0),), least=0.0, most=1.0),)


def softsign() -> Curves:
    return (Curve(lambda x: np.sign(x) / (1.0 + 1.0 / np.abs(x)), least=-1.0, most=1.0),)


def softsign_derivative() -> Curves:
    return (Curve(lambda x: 1.0 / (1.0 + np.abs(x)) ** 2, (exact_turn(0.0, 1.0),), least=0.0, most=1.0),)


# Softplus over the reals, log(1 + exp(βx))/β on the whole line.


def softplus_forward(x: Tensor, beta: Scalar = 1.0, threshold: Scalar = 20.0) -> Tensor:
    return torch.logaddexp(beta * x, torch.zeros_like(x)) / beta


def softplus(beta: Place = 1.0, threshold: Place = 20.0) -> Curves:
    _require_softplus(beta, threshold)
    return (Curve(lambda x: np.logaddexp(0.0, beta * x) / beta, least=0.0),)


def softplus_derivative(beta: Place = 1.0, threshold: Place = 20.0) -> Curves:
    _require_softplus(beta, threshold)
    return (Curve(lambda x: expit(beta * x), least=0.0, most=1.0),)


def _require_softplus(beta: Place, threshold: Place) -> None:
    require(np.asarray(beta) > 0, f"softplus with beta = {beta} has no rule", "beta must be positive")
    # Frameworks return x itself where βx > threshold: a jump of log(1 + exp(-threshold))/β.
    require(
        np.asarray(threshold) >= 20,
        f"softplus with threshold = {threshold} jumps by more than 2e-9/beta where it turns into a line",
        "only thresholds of at least 20, the default, count as rounding",
    )


# SiLU, GELU (both forms) and Mish: one minimum of φ, one minimum and one maximum of φ'.


def silu() -> Curves:
    bottom = near_turn(-1.2784645427610738, -0.2784645427610738)
    return (Curve(lambda x: np.maximum(x, -800.0) * expit(x), (bottom,), least=bottom.low),)


def silu_derivative() -> Curves:
    def value(x: Array) -> Array:
        z = _clip(x, 800.0)
        return expit(z) + z * expit(z) * expit(-z)

    top = near_turn(2.3993572805154677, 1.0998393201288669)
    bottom = near_turn(-2.3993572805154677, -0.0998393201288669)
    return (Curve(value, (bottom, top), least=bottom.low, most=top.high, absolute=CANCELLATION),)


def gelu() -> Curves:
    bottom = near_turn(-0.7517915246935645, -0.1699712074799037)
    return (Curve(lambda x: np.maximum(x, -50.0) * ndtr(x), (bottom,), least=bottom.low),)


def gelu_derivative() -> Curves:
    def value(x: Array) -> Array:
        z = _clip(x, 50.0)
        return ndtr(z) + z * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

    top = near_turn(1.4142135623730951, 1.1289041451851547)
    bottom = near_turn(-1.4142135623730951, -0.1289041451851547)
    return (Curve(value, (bottom, top), least=bottom.low, most=top.high, absolute=CANCELLATION),)


def gelu_forward(x: Tensor) -> Tensor:
    return torch.nn.functional.gelu(x)


GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715


def gelu_tanh_forward(x: Tensor) -> Tensor:
    return torch.nn.functional.gelu(x, approximate="tanh")


def _gelu_tanh_gate(z: Array) -> Array:
    """z with ½(1 + tanh(u)) = sigmoid(2u), so this is 2u."""
    return 2 * GELU_SCALE * (z + GELU_CUBIC * z * z * z)


def gelu_tanh() -> Curves:
    def value(x: Array) -> Array:
        return np.maximum(x, -30.0) * expit(_gelu_tanh_gate(_clip(x, 30.0)))

    bottom = near_turn(-0.7524614220710163, -0.1700407505712541)
    return (Curve(value, (bottom,), least=bottom.low),)


def gelu_tanh_derivative() -> Curves:
    def value(x: Array) -> Array:
        z = _clip(x, 30.0)
        gate, speed = _gelu_tanh_gate(z), 2 * GELU_SCALE * (1 + 3 * GELU_CUBIC * z * z)
        return expit(gate) + z * speed * expit(gate) * expit(-gate)

    top = near_turn(1.4185040087908284, 1.1289930686587718)
    bottom = near_turn(-1.4185040087908284, -0.1289930686587718)
    return (Curve(value, (bottom, top), least=bottom.low, most=top.high, absolute=CANCELLATION),)


def mish_forward(x: Tensor) -> Tensor:
    return x * torch.tanh(softplus_forward(x))


def _mish_gate(x: Array) -> Array:
    """tanh(softplus(x)) = e(e + 2)/(e² + 2e + 2) with e = exp(x), written so that nothing overflows."""
    decay = np.exp(-np.abs(x))
    left = decay * (decay + 2) / (decay * decay + 2 * decay + 2)
    right = (1 + 2 * decay) / (1 + 2 * decay + 2 * decay * decay)
    return np.asarray(np.where(x < 0, left, right))


def mish() -> Curves:
    bottom = near_turn(-1.1924312145154952, -0.3088434130172504)
    return (Curve(lambda x: np.maximum(x, -800.0) * _mish_gate(x), (bottom,), least=bottom.low),)


def mish_derivative() -> Curves:
    def value(x: Array) -> Array:
        z = _clip(x, 800.0)
        d = np.exp(-np.abs(z))
        left = d * (4 * (z + 1) + d * (4 * z + 6) + d * d * (4 + d)) / (2 + 2 * d + d * d) ** 2
        right = (1 + d * (4 + d * (4 * z + 6) + 4 * d * d * (z + 1))) / (1 + 2 * d + 2 * d * d) ** 2
        return np.asarray(np.where(z < 0, left, right))

    top = near_turn(1.4905711794854285, 1.0884981612517279)
    bottom = near_turn(-2.256376396360793, -0.11252612238946256)
    return (Curve(value, (bottom, top), least=bottom.low, most=top.high, absolute=CANCELLATION),)


# erf and atan: odd, steepest at 0.


def erf() -> Curves:
    return (Curve(_erf, least=-1.0, most=1.0),)


def erf_derivative() -> Curves:
    steepest = 2 / math.sqrt(math.pi)
    top = near_turn(0.0, steepest)
    return (Curve(lambda x: steepest * np.exp(-x * x), (top,), least=0.0, most=top.high),)


def atan() -> Curves:
    half_turn = math.pi / 2 * (1 + RELATIVE)
    return (Curve(np.arctan, least=-half_turn, most=half_turn),)


def atan_derivative() -> Curves:
    return (Curve(lambda x: 1 / (1 + x * x), (exact_turn(0.0, 1.0),), least=0.0, most=1.0),)
