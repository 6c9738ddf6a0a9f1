"""POINTWISE: every scalar function that lipcert can bound, by name.

Not here, because they jump and so have no Lipschitz constant: round, floor, sign, hardshrink, threshold.
Parameters are named as in torch.
"""

import torch
from torch.nn import functional as F

from lipcert.rules.pointwise import elementary, kinked, smooth
from lipcert.rules.pointwise.record import Pointwise

POINTWISE: dict[str, Pointwise] = {
    "relu": Pointwise(
        torch.relu, kinked.relu, kinked.relu_derivative,
        "lines of slope 0 and 1 that meet at 0",
    ),
    "leaky_relu": Pointwise(
        kinked.leaky_relu_forward, kinked.leaky_relu, kinked.leaky_relu_derivative,
        "lines of slope negative_slope (any real, one a channel for PReLU) and 1 that meet at 0",
    ),
    "relu6": Pointwise(
        F.relu6, kinked.relu6, kinked.relu6_derivative,
        "lines of slope 0, 1, 0 with kinks at 0 and 6",
    ),
    "hardtanh": Pointwise(
        kinked.hardtanh_forward, kinked.hardtanh, kinked.hardtanh_derivative,
        "lines of slope 0, 1, 0 with kinks at min_val and max_val",
    ),
    "clamp": Pointwise(
        kinked.clamp_forward, kinked.clamp, kinked.clamp_derivative,
        "lines of slope 0, 1, 0 with kinks at min and max; the constant max where min > max",
    ),
    "abs": Pointwise(
        torch.abs, kinked.absolute, kinked.absolute_derivative,
        "lines of slope -1 and 1 that meet at 0",
    ),
    "hardsigmoid": Pointwise(
        F.hardsigmoid, kinked.hardsigmoid, kinked.hardsigmoid_derivative,
        "lines of slope 0, 1/6, 0 with kinks at -3 and 3",
    ),
    "hardswish": Pointwise(
        F.hardswish, kinked.hardswish, kinked.hardswish_derivative,
        "0 up to -3, then x(x+3)/6 with slope (2x+3)/6 from -1/2 to 3/2, then x from 3",
        shrinks=True,
    ),
    "softshrink": Pointwise(
        kinked.softshrink_forward, kinked.softshrink, kinked.softshrink_derivative,
        "lines of slope 1, 0, 1 with kinks at -lambd and lambd, lambd >= 0",
    ),
    "elu": Pointwise(
        kinked.elu_forward, kinked.elu, kinked.elu_derivative,
        "left of 0 the slope scale·alpha·input_scale·exp(input_scale·x) is monotone; right of 0 it is scale",
    ),
    "celu": Pointwise(
        kinked.celu_forward, kinked.celu, kinked.celu_derivative,
        "left of 0 the slope exp(x/alpha) rises to 1; right of 0 it is 1",
    ),
    "selu": Pointwise(
        F.selu, kinked.selu, kinked.selu_derivative,
        "ELU with alpha 1.67326 and scale 1.05070: the slope rises to alpha·scale at 0 and is scale beyond",
    ),
    "tanh": Pointwise(
        torch.tanh, smooth.tanh, smooth.tanh_derivative,
        "φ' = 1/cosh² is even, falls on x > 0 and is 1 at 0",
    ),
    "sigmoid": Pointwise(
        torch.sigmoid, smooth.sigmoid, smooth.sigmoid_derivative,
        "φ' = s(1-s) is even, falls on x > 0 and is 1/4 at 0",
    ),
    "logsigmoid": Pointwise(
        F.logsigmoid, smooth.logsigmoid, smooth.logsigmoid_derivative,
        "φ' = sigmoid(-x) falls from 1 to 0",
    ),
    "softplus": Pointwise(
        smooth.softplus_forward, smooth.softplus, smooth.softplus_derivative,
        "φ' = sigmoid(beta·x) rises from 0 to 1",
    ),
    "tanhshrink": Pointwise(
        smooth.tanhshrink_forward, smooth.tanhshrink, smooth.tanhshrink_derivative,
        "φ' = tanh² is even, rises on x > 0 from 0 to 1",
    ),
    "softsign": Pointwise(
        F.softsign, smooth.softsign, smooth.softsign_derivative,
        "φ' = 1/(1+|x|)² is even, falls on x > 0 and is 1 at 0",
    ),
    "silu": Pointwise(
        F.silu, smooth.silu, smooth.silu_derivative,
        "φ'' = s'(2 - x·tanh(x/2)) changes sign at ±2.39936 only, where φ' is 1.09984 and -0.09984",
        shrinks=True,
    ),
    "gelu": Pointwise(
        smooth.gelu_forward, smooth.gelu, smooth.gelu_derivative,
        "φ'' = (2 - x²)·normal density changes sign at ±√2 only, where φ' is 1.12890415 and -0.12890415",
        shrinks=True,
    ),
    "gelu_tanh": Pointwise(
        smooth.gelu_tanh_forward, smooth.gelu_tanh, smooth.gelu_tanh_derivative,
        "φ'' changes sign at ±1.41850 only, where φ' is 1.12899307 and -0.12899307",
        shrinks=True,
    ),
    "mish": Pointwise(
        smooth.mish_forward, smooth.mish, smooth.mish_derivative,
        "φ'' changes sign at -2.25638 and 1.49057 only, where φ' is -0.11253 and 1.08850",
        shrinks=True,
    ),
    "erf": Pointwise(
        torch.erf, smooth.erf, smooth.erf_derivative,
        "φ' = 2/√π·exp(-x²) is even, falls on x > 0",
    ),
    "atan": Pointwise(
        torch.atan, smooth.atan, smooth.atan_derivative,
        "φ' = 1/(1+x²) is even, falls on x > 0 and is 1 at 0",
    ),
    "sin": Pointwise(
        torch.sin, elementary.sin, elementary.cos,
        "φ' = cos, monotone between multiples of π",
    ),
    "cos": Pointwise(
        torch.cos, elementary.cos, elementary.cos_derivative,
        "φ' = -sin, monotone between odd multiples of π/2",
    ),
    "exp": Pointwise(
        torch.exp, elementary.exp, elementary.exp,
        "φ' = exp rises; finite where the interval has an upper end",
    ),
    "expm1": Pointwise(
        torch.expm1, elementary.expm1, elementary.exp,
        "φ' = exp rises; finite where the interval has an upper end",
    ),
    "log": Pointwise(
        torch.log, elementary.log, elementary.log_derivative,
        "φ' = 1/x falls on x > 0; finite on intervals above 0", elementary.positive,
    ),
    "log1p": Pointwise(
        torch.log1p, elementary.log1p, elementary.log1p_derivative,
        "φ' = 1/(1+x) falls on x > -1; finite on intervals above -1", elementary.above_minus_one,
    ),
    "sqrt": Pointwise(
        torch.sqrt, elementary.sqrt, elementary.sqrt_derivative,
        "φ' = 1/(2√x) falls on x > 0; finite on intervals above 0", elementary.nonnegative,
    ),
    "rsqrt": Pointwise(
        torch.rsqrt, elementary.rsqrt, elementary.rsqrt_derivative,
        "φ' = -x^(-3/2)/2 rises on x > 0; finite on intervals above 0", elementary.positive,
    ),
    "reciprocal": Pointwise(
        torch.reciprocal, elementary.reciprocal, elementary.reciprocal_derivative,
        "φ' = -1/x² is monotone on either side of 0; finite on intervals without 0", elementary.nonzero,
    ),
    "pow": Pointwise(
        elementary.power_forward, elementary.power, elementary.power_derivative,
        "φ' = n·x^(n-1), n >= 2: rises for even n, turns at 0 only for odd n",
    ),
}  # fmt: skip
