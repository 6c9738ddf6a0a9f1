"""Lowering of sums, products, quotients, powers and extrema."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node as FxNode

from lipcert.graph.lowering.state import Lower, Lowering, argument, broadcast, common_shape, masked
from lipcert.rules.entrywise import ENTRYWISE
from lipcert.rules.types import Node, Reach


def float64(value: Any) -> Tensor:
    """A constant operand in float64, exactly."""
    return torch.as_tensor(value, dtype=torch.float64)


def scale(
    state: Lowering, fx: FxNode, path: str, node: Node, factor: Any, offset: Any = 0.0, *, ulps: int = 0
) -> str | None:
    """factor · node + offset with constants; `ulps` bounds the roundoff in a computed factor.

    Where the offset is -infinity, the entry is masked.
    """
    factor, (offset, keep) = float64(factor), finite_part(float64(offset))
    if not bool(torch.isfinite(factor).all() and torch.isfinite(offset).all()):
        return "a constant in it is infinite or NaN"
    if not bool(((factor == 0) | (factor.abs() > 1e-290)).all()):
        return "a factor below 1e-290"
    wide = common_shape(node.shape, factor.shape, offset.shape)
    node = broadcast(state, fx, path, node, wide)
    if keep is None or bool((factor != 1).any() or (offset != 0).any()):
        attrs, consts = {"ulps": ulps} if ulps else {}, {"factor": factor, "offset": offset}
        node = state.add(fx, path, "scale", [node], shape=wide, attrs=attrs, consts=consts)
    if keep is not None:
        masked(state, fx, path, node, keep)
    return None


def finite_part(value: Tensor) -> tuple[Tensor, Tensor | None]:
    """A constant with 0 where it is -infinity, and where it is not; None where that is everywhere."""
    keep = value != -math.inf
    return torch.where(keep, value, 0.0), None if bool(keep.all()) else keep


def total(state: Lowering, fx: FxNode, path: str, terms: list[tuple[float, Node]]) -> None:
    """Σ c · node over nodes that are broadcast to the output.

    Equal nodes are counted together where their coefficients add without rounding.
    """
    shape = common_shape(*(node.shape for _, node in terms))
    wide = [(c, broadcast(state, fx, path, node, shape)) for c, node in terms]
    (c, a), (d, b) = wide
    if a.name == b.name and Fraction(c) + Fraction(d) == Fraction(c + d):
        wide = [(c + d, a)]
    attrs = {"coefficients": [c for c, _ in wide]}
    state.add(fx, path, "sum", [node for _, node in wide], shape=shape, attrs=attrs)


def add(state: Lowering, fx: FxNode, path: str) -> str | None:
    return _combine(state, fx, path, 1.0, float(argument(fx, 2, "alpha", 1)))


def sub(state: Lowering, fx: FxNode, path: str) -> str | None:
    return _combine(state, fx, path, 1.0, -float(argument(fx, 2, "alpha", 1)))


def rsub(state: Lowering, fx: FxNode, path: str) -> str | None:
    return _combine(state, fx, path, -float(argument(fx, 2, "alpha", 1)), 1.0)


def _combine(state: Lowering, fx: FxNode, path: str, left: float, right: float) -> str | None:
    if not (math.isfinite(left) and math.isfinite(right)):
        return "a constant in it is infinite or NaN"
    a, b = fx.args[:2]
    if state.depends(a) and state.depends(b):
        total(state, fx, path, [(left, state.node(a)), (right, state.node(b))])
        return None
    if state.depends(a):
        return scale(state, fx, path, state.node(a), left, right * float64(state.constant(b)))
    return scale(state, fx, path, state.node(b), right, left * float64(state.constant(a)))


def negate(state: Lowering, fx: FxNode, path: str) -> str | None:
    return scale(state, fx, path, state.node(fx.args[0]), -1.0)


def multiply(state: Lowering, fx: FxNode, path: str) -> str | None:
    a, b = fx.args[:2]
    if state.depends(a) and state.depends(b):
        product(state, fx, path, state.node(a), state.node(b))
        return None
    a, b = (a, b) if state.depends(a) else (b, a)
    return scale(state, fx, path, state.node(a), state.constant(b))


def product(state: Lowering, fx: FxNode, path: str, a: Node, b: Node) -> None:
    """a ⊙ b; the square of one node is a function of its entries."""
    if a.name == b.name:
        entrywise(state, fx, path, a, "pow", {"exponent": 2})
        return
    shape = common_shape(a.shape, b.shape)
    wide = [broadcast(state, fx, path, node, shape) for node in (a, b)]
    state.add(fx, path, "product", wide, shape=shape)


def divide(state: Lowering, fx: FxNode, path: str) -> str | None:
    a, b = fx.args[:2]
    if not state.depends(b):
        divisor = float64(state.constant(b))
        exact = bool((divisor.frexp().mantissa.abs() == 0.5).all())  # powers of two
        return scale(state, fx, path, state.node(a), 1.0 / divisor, ulps=0 if exact else 1)
    inverse = entrywise(state, fx, path, state.node(b), "reciprocal", {})
    if state.depends(a):
        product(state, fx, path, state.node(a), inverse)
        return None
    return scale(state, fx, path, inverse, state.constant(a))


def entrywise(state: Lowering, fx: FxNode, path: str, node: Node, function: str, parameters: Mapping[str, Any]) -> Node:
    """A function of POINTWISE applied to every entry of `node`.

    Raises UnsupportedError for parameters outside its proof.
    """
    attrs = {"function": function, "parameters": dict(parameters)}
    done = state.add(fx, path, "entrywise", [node], shape=node.shape, attrs=attrs)
    ENTRYWISE.reach(done, [Reach(np.ones(()), np.ones(()))])
    return done


def power(state: Lowering, fx: FxNode, path: str) -> str | None:
    node, exponent = state.node(fx.args[0]), fx.args[1]
    if not isinstance(exponent, int | float) or not math.isfinite(exponent):
        return f"the exponent {exponent}"
    named = {0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}
    if exponent in named:
        entrywise(state, fx, path, node, named[exponent], {})
    elif exponent == 1:
        state.same(fx, fx.args[0])
    elif exponent == int(exponent) and exponent >= 2:
        entrywise(state, fx, path, node, "pow", {"exponent": int(exponent)})
    else:
        return f"the exponent {exponent}"
    return None


def extremum(kind: str) -> Lower:
    """maximum or minimum of two activations, or of one and a constant."""

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        like = next(state.node(arg) for arg in fx.args[:2] if state.depends(arg))
        nodes = [
            state.node(arg) if state.depends(arg) else as_node(state, fx, path, like, state.constant(arg))
            for arg in fx.args[:2]
        ]
        wide = [broadcast(state, fx, path, node, fx.meta["val"].shape) for node in nodes]
        state.add(fx, path, "extremum", wide, attrs={"kind": kind})
        return None

    return lower


def as_node(state: Lowering, fx: FxNode, path: str, like: Node, value: Any) -> Node:
    """A constant as a node: a gather that takes no entry of `like`, and adds the value."""
    value = float64(value)
    attrs, consts = {"sizes": [like.size]}, {"index": torch.full(value.shape, -1), "offset": value}
    return state.add(fx, path, "gather", [like], shape=value.shape, attrs=attrs, consts=consts)
