"""Lowering of convolutions, normalisations and functions along an axis."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Node as FxNode

from lipcert.graph.lowering.arithmetic import scale
from lipcert.graph.lowering.state import Lower, Lowering, argument, numbered, take
from lipcert.rules.types import Node


def conv(axes: int) -> Lower:
    """Convolution over `axes` spatial axes, in torch's order of arguments."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        names = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
        given = {name: argument(fx, 3 + i, name, default) for i, (name, default) in enumerate(names.items())}
        return _conv(state, fx, path, axes, given)

    return lower


def conv_transpose(axes: int) -> Lower:
    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        names = {"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1}
        given = {name: argument(fx, 3 + i, name, default) for i, (name, default) in enumerate(names.items())}
        return _conv(state, fx, path, axes, {**given, "transposed": True})

    return lower


def convolution(state: Lowering, fx: FxNode, path: str) -> str | None:
    names = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
    given = dict(zip(names, fx.args[3:9], strict=True))
    return _conv(state, fx, path, state.constant(fx.args[1]).dim() - 2, given)


def _conv(state: Lowering, fx: FxNode, path: str, axes: int, given: dict[str, Any]) -> str | None:
    weight, bias = fx.args[1], argument(fx, 2, "bias")
    if state.depends(weight) or state.depends(bias):
        return "weights that depend on the input"
    node, consts = state.node(fx.args[0]), {"weight": state.constant(weight)}
    if bias is not None:
        consts["offset"] = state.constant(bias).reshape(-1, *[1] * axes)
    attrs: dict[str, Any] = {"groups": given["groups"], "transposed": given.get("transposed", False)}
    for key in ("stride", "dilation", "output_padding"):
        attrs[key] = per_axis(given.get(key, 0), axes)
    before, after = _padding(given["padding"], consts["weight"].shape[2:], attrs["dilation"])
    if before != after:
        node = _pad_after(state, fx, path, node, [b - a for a, b in zip(before, after, strict=True)])
    attrs |= {"padding": before, "size": list(node.shape[-axes:])}
    state.add(fx, path, "conv", [node], attrs=attrs, consts=consts)
    return None


def per_axis(value: Any, axes: int) -> list[int]:
    """An argument that is one number for all axes or a list with one for each."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values * axes if len(values) == 1 else values


def _padding(value: Any, kernel: Sequence[int], dilation: list[int]) -> tuple[list[int], list[int]]:
    """Zeros before and after; "same" puts the odd one after, as torch does."""
    if value == "same":
        spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return [span // 2 for span in spans], [span - span // 2 for span in spans]
    both = [0] * len(kernel) if value == "valid" else per_axis(value, len(kernel))
    return both, both


def _pad_after(state: Lowering, fx: FxNode, path: str, node: Node, zeros: list[int]) -> Node:
    widths = [width for count in reversed(zeros) for width in (0, count)]
    return take(state, fx, path, node, torch.nn.functional.pad(numbered(node), widths, value=-1))


def batch_norm(state: Lowering, fx: FxNode, path: str) -> str | None:
    """Evaluation-mode batch norm: two scalings by constants, (x - mean) and then γ/√(var + eps)."""
    x, *rest = fx.args[:5]
    if any(state.depends(part) for part in rest):
        return "weights that depend on the input"
    node, eps = state.node(x), float(fx.args[6])  # type: ignore[arg-type]
    weight, bias, mean, variance = (_channels(node, state.constant(part)) for part in rest)
    variance = variance + eps
    if not bool((variance > 0).all()):
        return "a running variance + eps that is not positive"
    # γ/√(var + eps): an addition, a root and a quotient in float64, less than 8 units of roundoff.
    factor = (1.0 if weight is None else weight) / variance.sqrt()
    problem = scale(state, fx, path, node, 1.0, -mean)
    problem = problem or scale(state, fx, path, state.node(fx), factor, 0.0 if bias is None else bias, ulps=8)
    if not problem:
        state.several[fx.name] = [state.names[fx.name]]
    return problem


def _channels(node: Node, value: Any) -> Any:
    """A float64 constant a channel (axis 1), shaped to broadcast; None stays."""
    return None if value is None else value.double().reshape(-1, *[1] * (len(node.shape) - 2))


def _normalise(
    state: Lowering, fx: FxNode, path: str, features: int, eps: float, centred: bool, weight: Any, bias: Any
) -> str | None:
    node = state.node(fx.args[0])
    if not eps >= 0 or features < 1:
        return f"eps = {eps} over {features} features"
    attrs = {"features": features, "eps": eps, "centred": centred}
    done = state.add(fx, path, "normalise", [node], shape=node.shape, attrs=attrs)
    problem = None
    if weight is not None or bias is not None:
        factor, shift = (1.0 if weight is None else weight), (0.0 if bias is None else bias)
        problem = scale(state, fx, path, done, factor, shift)
    state.several[fx.name] = [state.names[fx.name]]
    return problem


def _constants(state: Lowering, *parts: Any) -> list[Any] | None:
    """Weight and bias, or None where one depends on the input."""
    return None if any(state.depends(part) for part in parts) else [state.constant(part) for part in parts]


def layer_norm(state: Lowering, fx: FxNode, path: str) -> str | None:
    affine = _constants(state, argument(fx, 2, "weight"), argument(fx, 3, "bias"))
    if affine is None:
        return "weights that depend on the input"
    features = math.prod(fx.args[1])  # type: ignore[arg-type]
    return _normalise(state, fx, path, features, argument(fx, 4, "eps", 1e-5), True, *affine)


def rms_norm(state: Lowering, fx: FxNode, path: str) -> str | None:
    affine, eps = _constants(state, argument(fx, 2, "weight"), None), argument(fx, 3, "eps")
    if affine is None:
        return "weights that depend on the input"
    if eps is None:  # torch then takes the step at 1 of the type it computes in, float32 for the 16-bit types
        double = fx.meta["val"].dtype == torch.float64
        eps = torch.finfo(torch.float64 if double else torch.float32).eps
    return _normalise(state, fx, path, math.prod(fx.args[1]), eps, False, *affine)  # type: ignore[arg-type]


def group_norm(state: Lowering, fx: FxNode, path: str) -> str | None:
    groups, eps = int(fx.args[1]), argument(fx, 4, "eps", 1e-5)  # type: ignore[arg-type]
    return _per_channel(state, fx, path, groups, eps, argument(fx, 2, "weight"), argument(fx, 3, "bias"))


def instance_norm(state: Lowering, fx: FxNode, path: str) -> str | None:
    x, weight, bias, _, _, use_input_stats, _, eps = fx.args[:8]
    if not use_input_stats:
        return "instance norm with running statistics"
    channels = state.node(x).shape[1]
    return _per_channel(state, fx, path, channels, eps, weight, bias)


def _per_channel(state: Lowering, fx: FxNode, path: str, groups: int, eps: Any, weight: Any, bias: Any) -> str | None:
    """Groups of consecutive channels of each item are normalised, then each channel is scaled."""
    affine, node = _constants(state, weight, bias), state.node(fx.args[0])
    if affine is None:
        return "weights that depend on the input"
    features = node.size // (node.shape[0] * groups)
    return _normalise(state, fx, path, features, eps, True, *(_channels(node, part) for part in affine))


def along_axis(op: str) -> Lower:
    """softmax, log_softmax and logsumexp along one axis."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        node = state.node(fx.args[0])
        axes, rank = per_axis(fx.args[1], 1), len(node.shape)
        if len(axes) != 1 or rank == 0:
            return f"{op} over {len(axes)} of {rank} axes"
        last = axes[0] % rank - rank
        state.add(fx, path, op, [node], attrs={"axis": last, "length": node.shape[last]})
        return None

    return lower
