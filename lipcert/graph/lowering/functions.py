"""Lowering of functions applied entry by entry to those of POINTWISE."""

from typing import Any

import torch
from torch.fx import Node as FxNode

from lipcert.graph.lowering.arithmetic import entrywise, product
from lipcert.graph.lowering.state import Lower, Lowering, argument


def function(name: str, *parameters: tuple[str, Any], **fixed: Any) -> Lower:
    """A function with its parameters in torch's order, as (name, default)."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        values = {key: argument(fx, 1 + i, key, default) for i, (key, default) in enumerate(parameters)}
        if any(state.depends(value) or isinstance(value, FxNode) for value in values.values()):
            return "a parameter that is a tensor"
        entrywise(state, fx, path, state.node(fx.args[0]), name, {**values, **fixed})  # type: ignore[arg-type]
        return None

    return lower


def clamp(low_at: int | None, high_at: int | None) -> Lower:
    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        low = None if low_at is None else argument(fx, low_at, "min")
        high = None if high_at is None else argument(fx, high_at, "max")
        if isinstance(low, FxNode) or isinstance(high, FxNode):
            return "bounds that are tensors"
        if low is not None and high is not None and not low <= high:
            return f"clamp with min {low} above max {high}"
        entrywise(state, fx, path, state.node(fx.args[0]), "clamp", {"min": low, "max": high})  # type: ignore[arg-type]
        return None

    return lower


def gelu(state: Lowering, fx: FxNode, path: str) -> str | None:
    form = argument(fx, 1, "approximate", "none")
    name = {"none": "gelu", "tanh": "gelu_tanh"}[form]
    entrywise(state, fx, path, state.node(fx.args[0]), name, {})  # type: ignore[arg-type]
    return None


def elu(state: Lowering, fx: FxNode, path: str) -> str | None:
    alpha, scale, input_scale = (argument(fx, i, n, 1) for i, n in ((1, "alpha"), (2, "scale"), (3, "input_scale")))
    if scale != 1 or input_scale != 1:
        return "elu with scales"
    entrywise(state, fx, path, state.node(fx.args[0]), "elu", {"alpha": alpha})  # type: ignore[arg-type]
    return None


def prelu(state: Lowering, fx: FxNode, path: str) -> str | None:
    """A leaky ReLU with one slope a channel: a gather a channel would be many nodes, so one slope only."""
    slope = state.constant(fx.args[1])
    if slope.numel() != 1:
        return "PReLU with a slope a channel (one slope for all is supported)"
    parameters = {"negative_slope": float(slope)}
    entrywise(state, fx, path, state.node(fx.args[0]), "leaky_relu", parameters)  # type: ignore[arg-type]
    return None


def glu(state: Lowering, fx: FxNode, path: str) -> str | None:
    """a ⊙ sigmoid(b) for the two halves a, b along an axis."""
    node, axis = state.node(fx.args[0]), argument(fx, 1, "dim", -1)  # type: ignore[arg-type]
    halves = []
    for index in torch.arange(node.size).reshape(node.shape).chunk(2, axis):
        consts, attrs = {"index": index.contiguous()}, {"sizes": [node.size]}
        halves.append(state.add(fx, path, "gather", [node], shape=index.shape, attrs=attrs, consts=consts))
    gate = entrywise(state, fx, path, halves[1], "sigmoid", {})
    product(state, fx, path, halves[0], gate)
    return None
