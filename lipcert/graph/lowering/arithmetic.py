"""Lowering of sums, products, quotients, extrema and matrix products."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node as FxNode

from lipcert.graph.lowering.state import Lowering, argument, broadcast
from lipcert.rules.types import Node


def _float64(value: Any) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def scale(
    state: Lowering, fx: FxNode, path: str, node: Node, factor: Any, offset: Any = 0.0, *, ulps: int = 0
) -> str | None:
    """factor · node + offset with constants; `ulps` bounds the roundoff in a computed factor."""
    factor, offset = _float64(factor), _float64(offset)
    if not bool(torch.isfinite(factor).all() and torch.isfinite(offset).all()):
        return "a constant in it is infinite or NaN"
    if not bool(((factor == 0) | (factor.abs() > 1e-290)).all()):
        return "a factor below 1e-290"
    wide = torch.broadcast_shapes(node.shape, factor.shape, offset.shape)
    node = broadcast(state, fx, path, node, wide)
    attrs = {"ulps": ulps} if ulps else {}
    state.add(fx, path, "scale", [node], shape=wide, attrs=attrs, consts={"factor": factor, "offset": offset})
    return None


def total(state: Lowering, fx: FxNode, path: str, terms: list[tuple[float, Node]]) -> None:
    """Σ c · node over nodes that are broadcast to the output; equal nodes are counted together."""
    shape = torch.broadcast_shapes(*(node.shape for _, node in terms))
    coefficients: dict[str, float] = {}
    for c, node in terms:
        wide = broadcast(state, fx, path, node, shape)
        coefficients[wide.name] = coefficients.get(wide.name, 0.0) + c
    nodes = [state.nodes[name] for name in coefficients]
    attrs = {"coefficients": list(coefficients.values())}
    state.add(fx, path, "sum", nodes, shape=shape, attrs=attrs)


def add(state: Lowering, fx: FxNode, path: str) -> str | None:
    return _combine(state, fx, path, 1.0, float(argument(fx, 2, "alpha", 1)))


def sub(state: Lowering, fx: FxNode, path: str) -> str | None:
    return _combine(state, fx, path, 1.0, -float(argument(fx, 2, "alpha", 1)))


def rsub(state: Lowering, fx: FxNode, path: str) -> str | None:
    return _combine(state, fx, path, -float(argument(fx, 2, "alpha", 1)), 1.0)


def _combine(state: Lowering, fx: FxNode, path: str, left: float, right: float) -> str | None:
    a, b = fx.args[:2]
    if state.depends(a) and state.depends(b):
        total(state, fx, path, [(left, state.node(a)), (right, state.node(b))])  # type: ignore[arg-type]
        return None
    if state.depends(a):
        return scale(state, fx, path, state.node(a), left, right * _float64(state.constant(b)))  # type: ignore[arg-type]
    return scale(state, fx, path, state.node(b), right, left * _float64(state.constant(a)))  # type: ignore[arg-type]


def negate(state: Lowering, fx: FxNode, path: str) -> str | None:
    return scale(state, fx, path, state.node(fx.args[0]), -1.0)  # type: ignore[arg-type]


def multiply(state: Lowering, fx: FxNode, path: str) -> str | None:
    a, b = fx.args[:2]
    if state.depends(a) and state.depends(b):
        return product(state, fx, path, state.node(a), state.node(b))  # type: ignore[arg-type]
    a, b = (a, b) if state.depends(a) else (b, a)
    return scale(state, fx, path, state.node(a), state.constant(b))  # type: ignore[arg-type]


def product(state: Lowering, fx: FxNode, path: str, a: Node, b: Node) -> None:
    """a ⊙ b; the square of one node is a function of its entries."""
    if a.name == b.name:
        entrywise(state, fx, path, a, "pow", {"exponent": 2})
        return
    shape = torch.broadcast_shapes(a.shape, b.shape)
    wide = [broadcast(state, fx, path, node, shape) for node in (a, b)]
    state.add(fx, path, "product", wide, shape=shape)


def divide(state: Lowering, fx: FxNode, path: str) -> str | None:
    a, b = fx.args[:2]
    if fx.kwargs.get("rounding_mode") is not None:
        return "division that rounds jumps"
    if not state.depends(b):
        divisor = _float64(state.constant(b))
        return scale(state, fx, path, state.node(a), 1.0 / divisor, ulps=1)  # type: ignore[arg-type]
    inverse = entrywise(state, fx, path, state.node(b), "reciprocal", {})  # type: ignore[arg-type]
    if state.depends(a):
        return product(state, fx, path, state.node(a), inverse)  # type: ignore[arg-type]
    return scale(state, fx, path, inverse, state.constant(a))


def entrywise(
    state: Lowering, fx: FxNode, path: str, node: Node, function: str, parameters: dict[str, Any]
) -> Node:
    """A function of POINTWISE applied to every entry of `node`."""
    attrs = {"function": function, "parameters": parameters}
    return state.add(fx, path, "entrywise", [node], shape=node.shape, attrs=attrs)


def extremum(kind: str):  # type: ignore[no-untyped-def]
    """maximum or minimum of two activations, or of one and a constant."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        shape = fx.meta["val"].shape
        first = next(arg for arg in fx.args[:2] if state.depends(arg))
        nodes = [
            state.node(arg) if state.depends(arg)  # type: ignore[arg-type]
            else constant(state, fx, path, state.node(first), state.constant(arg))  # type: ignore[arg-type]
            for arg in fx.args[:2]
        ]  # fmt: skip
        wide = [broadcast(state, fx, path, node, shape) for node in nodes]
        state.add(fx, path, "extremum", wide, attrs={"kind": kind})
        return None

    return lower


def constant(state: Lowering, fx: FxNode, path: str, like: Node, value: Any) -> Node:
    """A constant as a node: a gather that takes no entry of `like`, and adds the value."""
    value = _float64(value)
    index = torch.full(value.shape, -1)
    consts = {"index": index, "offset": value}
    return state.add(fx, path, "gather", [like], shape=value.shape, attrs={"sizes": [like.size]}, consts=consts)


def matmul(state: Lowering, fx: FxNode, path: str) -> str | None:
    a, b = fx.args[:2]
    if state.depends(a) and state.depends(b):
        return _matmul_nodes(state, fx, path, state.node(a), state.node(b))  # type: ignore[arg-type]
    if state.depends(b):
        return _matmul_constant_left(state, fx, path, state.constant(a), state.node(b))  # type: ignore[arg-type]
    weight = state.constant(b)
    if weight.dim() != 2:
        return "a product with a constant of other than two axes"
    state.add(fx, path, "linear", [state.node(a)], consts={"weight": weight.T})  # type: ignore[arg-type]
    return None


def _matmul_constant_left(state: Lowering, fx: FxNode, path: str, a: Tensor, b: Node) -> str | None:
    """A x = (xᵀAᵀ)ᵀ over the last two axes."""
    if a.dim() != 2 or len(b.shape) < 2:
        return "a product with a constant of other than two axes"
    turned = _swap(state, fx, path, b)
    shape = (*turned.shape[:-1], a.shape[0])
    mapped = state.add(fx, path, "linear", [turned], shape=shape, consts={"weight": a})
    _swap(state, fx, path, mapped)
    return None


def _swap(state: Lowering, fx: FxNode, path: str, node: Node) -> Node:
    index = torch.arange(node.size).reshape(node.shape).transpose(-1, -2).contiguous()
    attrs = {"sizes": [node.size]}
    return state.add(fx, path, "gather", [node], shape=index.shape, attrs=attrs, consts={"index": index})


def _matmul_nodes(state: Lowering, fx: FxNode, path: str, a: Node, b: Node) -> str | None:
    if len(a.shape) < 2 or len(b.shape) < 2:
        return "a matrix product of vectors"
    lead = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    wide = [broadcast(state, fx, path, node, (*lead, *node.shape[-2:])) for node in (a, b)]
    state.add(fx, path, "matmul", wide)
    return None


def addmm(state: Lowering, fx: FxNode, path: str) -> str | None:
    bias, a, b = fx.args[:3]
    plain = argument(fx, 3, "beta", 1) == 1 and argument(fx, 4, "alpha", 1) == 1
    if not plain or state.depends(bias) or state.depends(b):
        return "addmm other than constant bias + activation · constant"
    consts = {"weight": state.constant(b).T, "offset": state.constant(bias)}
    state.add(fx, path, "linear", [state.node(a)], consts=consts)  # type: ignore[arg-type]
    return None


def power(state: Lowering, fx: FxNode, path: str) -> str | None:
    exponent = fx.args[1]
    whole = isinstance(exponent, int | float) and math.isfinite(exponent) and exponent == int(exponent)
    named = {0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}.get(exponent)  # type: ignore[call-overload]
    if named:
        entrywise(state, fx, path, state.node(fx.args[0]), named, {})  # type: ignore[arg-type]
    elif whole and exponent == 1:  # type: ignore[operator]
        state.same(fx, fx.args[0])  # type: ignore[arg-type]
    elif whole and exponent >= 2:  # type: ignore[operator]
        entrywise(state, fx, path, state.node(fx.args[0]), "pow", {"exponent": int(exponent)})  # type: ignore[arg-type]
    else:
        return f"the exponent {exponent}"
    return None
