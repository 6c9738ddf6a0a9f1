"""Lowering of layers with weights: linear, convolution, and the normalisations."""

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node as FxNode

from lipcert.graph.lowering.arithmetic import scale
from lipcert.graph.lowering.state import Lower, Lowering, argument
from lipcert.rules.types import Node


def linear(state: Lowering, fx: FxNode, path: str) -> str | None:
    x, weight, bias = fx.args[0], fx.args[1], argument(fx, 2, "bias")
    if state.depends(weight) or state.depends(bias):
        return "weights that depend on the input"
    consts = {"weight": state.constant(weight)}
    if bias is not None:
        consts["offset"] = state.constant(bias)
    state.add(fx, path, "linear", [state.node(x)], consts=consts)  # type: ignore[arg-type]
    return None


def conv(axes: int, transposed: bool = False) -> Lower:
    """Convolution over `axes` spatial axes, in torch's order of arguments."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        names = ("stride", "padding", "output_padding", "groups", "dilation") if transposed else (
            "stride", "padding", "dilation", "groups")  # fmt: skip
        defaults = {"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1}
        given = {name: argument(fx, 3 + i, name, defaults[name]) for i, name in enumerate(names)}
        return _conv(state, fx, path, axes, transposed, {**defaults, **given})

    return lower


def convolution(state: Lowering, fx: FxNode, path: str) -> str | None:
    stride, padding, dilation, transposed, output_padding, groups = fx.args[3:9]
    given = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
             "output_padding": output_padding}  # fmt: skip
    return _conv(state, fx, path, len(stride), bool(transposed), given)  # type: ignore[arg-type]


def _conv(state: Lowering, fx: FxNode, path: str, axes: int, transposed: bool, given: dict[str, Any]) -> str | None:
    x, weight, bias = fx.args[0], fx.args[1], argument(fx, 2, "bias")
    if state.depends(weight) or state.depends(bias):
        return "weights that depend on the input"
    node, kernel = state.node(x), state.constant(weight)  # type: ignore[arg-type]
    attrs = {key: _per_axis(given[key], axes) for key in ("stride", "dilation", "output_padding")}
    padding = _padding(given["padding"], kernel.shape[2:], attrs["dilation"], axes)
    if padding is None:
        return 'padding="same" with an even kernel pads one side more than the other'
    attrs |= {"padding": padding, "groups": given["groups"], "transposed": transposed}
    consts = {"weight": kernel}
    if bias is not None:
        consts["offset"] = state.constant(bias).reshape(-1, *[1] * axes)
    state.add(fx, path, "conv", [node], attrs={**attrs, "size": list(node.shape[-axes:])}, consts=consts)
    return None


def _per_axis(value: Any, axes: int) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values * axes if len(values) == 1 else values


def _padding(value: Any, kernel: Any, dilation: list[int], axes: int) -> list[int] | None:
    if value == "valid":
        return [0] * axes
    if value == "same":
        spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return None if any(span % 2 for span in spans) else [span // 2 for span in spans]
    return _per_axis(value, axes)


def batch_norm(positions: tuple[int, int, int, int, int], eps_at: int, training_at: int | None) -> Lower:
    """Evaluation-mode batch norm: two scalings by constants, (x - mean) and then γ/√(var + eps)."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        if training_at is not None and fx.args[training_at]:
            return "batch statistics (train mode): the output of one example depends on the others"
        x, *rest = (fx.args[i] for i in positions)
        weight, bias, mean, var = (None if c is None else state.constant(c).double() for c in rest)
        if mean is None or var is None:
            return "batch statistics (no running mean): the output of one example depends on the others"
        return _scale_channels(state, fx, path, state.node(x), weight, bias, mean, var + float(fx.args[eps_at]))  # type: ignore[arg-type]

    return lower


def _scale_channels(
    state: Lowering, fx: FxNode, path: str, node: Node, weight: Any, bias: Any, mean: Any, variance: Any
) -> str | None:
    if not bool((variance > 0).all()):
        return "a running variance + eps that is not positive"
    along = (-1, *[1] * (len(node.shape) - 2))
    # γ/√(var + eps): an addition, a root and a quotient in float64, less than 8 units of roundoff.
    factor = (torch.ones_like(variance) if weight is None else weight) / variance.sqrt()
    problem = scale(state, fx, path, node, 1.0, (-mean).reshape(along))
    shift = torch.zeros(()) if bias is None else bias.reshape(along)
    problem = problem or scale(state, fx, path, state.node(fx), factor.reshape(along), shift, ulps=8)
    state.several[fx.name] = [state.names.get(fx.name, "")]
    return problem


def _normalise(
    state: Lowering, fx: FxNode, path: str, features: int, eps: float, centred: bool, weight: Any, bias: Any
) -> str | None:
    node = state.node(fx.args[0])  # type: ignore[arg-type]
    if eps < 0 or features < 1:
        return f"eps = {eps} over {features} features"
    attrs = {"features": features, "eps": eps, "centred": centred}
    done = state.add(fx, path, "normalise", [node], shape=node.shape, attrs=attrs)
    if weight is None and bias is None:
        return None
    factor = torch.ones(()) if weight is None else weight
    return scale(state, fx, path, done, factor, torch.zeros(()) if bias is None else bias)


def layer_norm(state: Lowering, fx: FxNode, path: str) -> str | None:
    shape, weight, bias, eps = fx.args[1], argument(fx, 2, "weight"), argument(fx, 3, "bias"), argument(fx, 4, "eps", 1e-5)
    features = int(torch.Size(shape).numel())  # type: ignore[arg-type]
    problem = _normalise(state, fx, path, features, eps, True, state.constant(weight), state.constant(bias))
    state.several[fx.name] = [state.names.get(fx.name, "")]
    return problem


def rms_norm(state: Lowering, fx: FxNode, path: str) -> str | None:
    shape, weight, eps = fx.args[1], argument(fx, 2, "weight"), argument(fx, 3, "eps")
    if eps is None:  # torch then takes the smallest step of the input's dtype
        eps = torch.finfo(fx.meta["val"].dtype).eps
    return _normalise(state, fx, path, int(torch.Size(shape).numel()), eps, False, state.constant(weight), None)  # type: ignore[arg-type]


def _channels(state: Lowering, fx: FxNode, value: Any) -> Any:
    if value is None:
        return None
    return state.constant(value).reshape(-1, *[1] * (len(fx.meta["val"].shape) - 2))


def group_norm(state: Lowering, fx: FxNode, path: str) -> str | None:
    node, groups = state.node(fx.args[0]), int(fx.args[1])  # type: ignore[arg-type]
    weight, bias = (_channels(state, fx, argument(fx, i, n)) for i, n in ((2, "weight"), (3, "bias")))
    return _normalise(state, fx, path, node.size // groups, argument(fx, 4, "eps", 1e-5), True, weight, bias)


def instance_norm(state: Lowering, fx: FxNode, path: str) -> str | None:
    weight, bias, mean, use_input_stats, eps = (fx.args[i] for i in (1, 2, 3, 5, 7))
    if not use_input_stats or mean is not None:
        return "instance norm with running statistics"
    node = state.node(fx.args[0])  # type: ignore[arg-type]
    features = node.size // node.shape[1]
    w, b = (_channels(state, fx, value) for value in (weight, bias))
    return _normalise(state, fx, path, features, float(eps), True, w, b)  # type: ignore[arg-type]


def along_axis(op: str) -> Callable[[Lowering, FxNode, str], str | None]:
    """softmax, log_softmax and logsumexp along one axis."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        node, axis = state.node(fx.args[0]), fx.args[1]  # type: ignore[arg-type]
        if isinstance(axis, list | tuple):
            if len(axis) != 1:
                return f"{op} over several axes"
            axis = axis[0]
        rank = len(node.shape)
        axis = int(axis) % rank - rank  # type: ignore[call-overload]
        attrs = {"axis": axis, "length": node.shape[axis]}
        state.add(fx, path, op, [node], attrs=attrs)
        return None

    return lower
