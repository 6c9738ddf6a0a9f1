"""Lowering of functions applied entry by entry to those of POINTWISE."""

import math
from typing import Any

import torch
from torch.fx import Node as FxNode

from lipcert.graph.lowering.arithmetic import entrywise, product
from lipcert.graph.lowering.state import Lower, Lowering, argument, numbered, take


def function(name: str, *parameters: tuple[str, Any], **fixed: Any) -> Lower:
    """A function with its parameters in torch's order, as (name, default)."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        values = {key: argument(fx, 1 + i, key, default) for i, (key, default) in enumerate(parameters)}
        if any(isinstance(value, FxNode) for value in values.values()):
            return "a parameter that is a tensor"
        entrywise(state, fx, path, state.node(fx.args[0]), name, {**values, **fixed})
        return None

    return lower


def clamp(low_at: int | None, high_at: int | None, low: Any = None, high: Any = None) -> Lower:
    """A clamp with its ends at these positions; low, high: where they are left out."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        ends = (low_at, "min", low), (high_at, "max", high)
        least, most = (None if at is None else argument(fx, at, name, given) for at, name, given in ends)
        if isinstance(least, FxNode) or isinstance(most, FxNode):
            return "bounds that are tensors"
        least, most = None if least == -math.inf else least, None if most == math.inf else most
        if least is not None and most is not None and not least <= most:
            return f"clamp with min {least} above max {most}"
        entrywise(state, fx, path, state.node(fx.args[0]), "clamp", {"min": least, "max": most})
        return None

    return lower


def gelu(state: Lowering, fx: FxNode, path: str) -> str | None:
    form = argument(fx, 1, "approximate", "none")
    entrywise(state, fx, path, state.node(fx.args[0]), {"none": "gelu", "tanh": "gelu_tanh"}[form], {})
    return None


_SOFTPLUS = function("softplus", ("beta", 1.0), ("threshold", 20.0))


def softplus(state: Lowering, fx: FxNode, path: str) -> str | None:
    """log(1 + exp(βx))/β. torch returns x itself where βx > threshold: a jump by about exp(-threshold)/β from the value
    threshold/β, which has to be less than rounding is.
    """
    threshold, dtype = float(argument(fx, 2, "threshold", 20.0)), fx.meta["val"].dtype
    if threshold < 20 or math.exp(-threshold) > torch.finfo(dtype).eps / 2 * threshold:
        return f"softplus with threshold = {threshold:g} jumps there, by more than rounding in {dtype}; 40 is enough"
    return _SOFTPLUS(state, fx, path)


def elu(state: Lowering, fx: FxNode, path: str) -> str | None:
    names = ("alpha", "scale", "input_scale")
    alpha, scale, input_scale = (argument(fx, 1 + i, name, 1) for i, name in enumerate(names))
    if scale != 1 or input_scale != 1:
        return "elu with scales"
    entrywise(state, fx, path, state.node(fx.args[0]), "elu", {"alpha": alpha})
    return None


def prelu(state: Lowering, fx: FxNode, path: str) -> str | None:
    """A leaky ReLU with one slope, or one a channel (axis 1)."""
    if state.depends(fx.args[1]):
        return "a slope that depends on the input"
    node, slope = state.node(fx.args[0]), state.constant(fx.args[1]).double()
    slopes = slope.reshape(()) if slope.numel() == 1 else slope.reshape(-1, *[1] * (len(node.shape) - 2))
    entrywise(state, fx, path, node, "leaky_relu", {"negative_slope": slopes.tolist()})
    return None


def rrelu(state: Lowering, fx: FxNode, path: str) -> str | None:
    """In eval mode a leaky ReLU with the mean slope."""
    lower, upper = argument(fx, 1, "lower", 1 / 8), argument(fx, 2, "upper", 1 / 3)
    if argument(fx, 3, "training", False):
        return "it is random"
    slope = (lower + upper) / 2
    entrywise(state, fx, path, state.node(fx.args[0]), "leaky_relu", {"negative_slope": slope})
    return None


def glu(state: Lowering, fx: FxNode, path: str) -> str | None:
    """a ⊙ sigmoid(b) for the two halves a, b along an axis."""
    node = state.node(fx.args[0])
    halves = numbered(node).chunk(2, argument(fx, 1, "dim", -1))
    left, right = (take(state, fx, path, node, index) for index in halves)
    product(state, fx, path, left, entrywise(state, fx, path, right, "sigmoid", {}))
    return None
