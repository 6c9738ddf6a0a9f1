"""Sums, products, comparisons and types."""

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

from lipcert.checkpoint.onnx.ops.call import Call, Inputs, Op, number
from lipcert.errors import UnsupportedError


def variadic(function: Callable[[Tensor, Tensor], Tensor]) -> Op:
    return Op(lambda call, inputs: reduce(function, inputs))


def mean(call: Call, inputs: Inputs) -> Tensor:
    total: Tensor = reduce(torch.add, inputs)
    return total / len(inputs)


def divide(call: Call, inputs: Inputs) -> Tensor:
    a, b = inputs
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def modulo(call: Call, inputs: Inputs) -> Tensor:
    return torch.fmod(*inputs) if call["fmod"] else torch.remainder(*inputs)


def power(call: Call, inputs: Inputs) -> Tensor:
    """A number as exponent stays one: only that has a rule."""
    x, exponent = inputs
    if 1 not in call.known:
        return torch.pow(x, exponent).to(x.dtype)
    return torch.pow(x, number(call.known[1])).to(x.dtype)


def clip(call: Call, inputs: Inputs) -> Tensor:
    if call.version < 11:
        low, high = call["min"], call["max"]
    else:
        low, high = (number(call.known[place]) if place in call.known else None for place in (1, 2))
    x: Tensor = inputs[0]
    return x if low is None and high is None else torch.clamp(x, low, high)


def running_sum(call: Call, inputs: Inputs) -> Tensor:
    if call["exclusive"] or call["reverse"]:
        raise UnsupportedError("exclusive or reverse")
    return torch.cumsum(inputs[0], number(call.known[1])).to(inputs[0].dtype)


def cast(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    assert call.dtype is not None  # the attribute is not optional
    return x.to(call.dtype)


def cast_like(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    return x.to(inputs[1].dtype)
