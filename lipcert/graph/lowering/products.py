"""Lowering of matrix products and contractions; one with a constant is a linear layer."""

import math
from typing import Any

from torch import Tensor
from torch.fx import Node as FxNode

from lipcert.graph.lowering.arithmetic import float64, scale, total
from lipcert.graph.lowering.state import Lowering, argument, broadcast, common_shape, permute, reshaped
from lipcert.rules.types import Node


def dense(state: Lowering, fx: FxNode, path: str, node: Node, weight: Tensor, bias: Any = None) -> Node:
    """x Wᵀ + b over the last axis. weight: out × in, or of one row only: in, and then without that axis."""
    consts = {"weight": weight.reshape(-1, weight.shape[-1])}
    if bias is not None:
        consts["offset"] = bias
    wide = (*node.shape[:-1], len(consts["weight"]))
    done = state.add(fx, path, "linear", [node], shape=wide, consts=consts)
    return done if weight.dim() == 2 else reshaped(state, fx, path, done, node.shape[:-1])


def linear(state: Lowering, fx: FxNode, path: str) -> str | None:
    x, weight, bias = fx.args[0], fx.args[1], argument(fx, 2, "bias")
    if state.depends(weight) or state.depends(bias):
        return "weights that depend on the input"
    dense(state, fx, path, state.node(x), state.constant(weight), state.constant(bias))
    return None


def addmm(state: Lowering, fx: FxNode, path: str) -> str | None:
    bias, a, b = fx.args[:3]
    plain = argument(fx, 3, "beta", 1) == 1 and argument(fx, 4, "alpha", 1) == 1
    if not plain or state.depends(bias) or state.depends(b):
        return "addmm other than constant bias + activation · constant"
    dense(state, fx, path, state.node(a), state.constant(b).T, state.constant(bias))
    return None


def matmul(state: Lowering, fx: FxNode, path: str) -> str | None:
    return _multiply(state, fx, path, *fx.args[:2])


def baddbmm(state: Lowering, fx: FxNode, path: str) -> str | None:
    """beta · input + alpha · (a b); torch does not look at the input where beta is 0."""
    given, a, b = fx.args[:3]
    beta, alpha = (float(argument(fx, 3 + i, name, 1)) for i, name in enumerate(("beta", "alpha")))
    if not (math.isfinite(beta) and math.isfinite(alpha)):
        return "a constant in it is infinite or NaN"
    if not (state.depends(a) or state.depends(b)):
        return "a product of constants"
    problem = _multiply(state, fx, path, a, b)
    if problem:
        return problem
    if beta and state.depends(given):
        total(state, fx, path, [(beta, state.node(given)), (alpha, state.node(fx))])
        return None
    offset = beta * float64(state.constant(given)) if beta else 0.0
    return scale(state, fx, path, state.node(fx), alpha, offset)


def _multiply(state: Lowering, fx: FxNode, path: str, a: Any, b: Any) -> str | None:
    if state.depends(a) and state.depends(b):
        return _of_two_nodes(state, fx, path, state.node(a), state.node(b))
    if state.depends(b):
        return _constant_left(state, fx, path, state.constant(a), state.node(b))
    weight = state.constant(b)
    if weight.dim() > 2:
        return "a product with a constant of more than two axes"
    dense(state, fx, path, state.node(a), weight.T if weight.dim() == 2 else weight)
    return None


def _constant_left(state: Lowering, fx: FxNode, path: str, a: Tensor, b: Node) -> str | None:
    """A x = (xᵀAᵀ)ᵀ over the last two axes."""
    if a.dim() != 2 or len(b.shape) < 2:
        return "a product with a constant of other than two axes"
    turned = _turn(state, fx, path, b)
    _turn(state, fx, path, dense(state, fx, path, turned, a))
    return None


def _turn(state: Lowering, fx: FxNode, path: str, node: Node) -> Node:
    *lead, row, column = range(len(node.shape))
    return permute(state, fx, path, node, (*lead, column, row))


def _of_two_nodes(state: Lowering, fx: FxNode, path: str, a: Node, b: Node) -> str | None:
    if len(a.shape) < 2 or len(b.shape) < 2:
        return "a matrix product of vectors"
    lead = common_shape(a.shape[:-2], b.shape[:-2])
    wide = [broadcast(state, fx, path, node, (*lead, *node.shape[-2:])) for node in (a, b)]
    state.add(fx, path, "matmul", wide)
    return None


def einsum(state: Lowering, fx: FxNode, path: str) -> str | None:
    """A contraction of two operands, one of which may be constant."""
    equation, operands = str(fx.args[0]).replace(" ", ""), fx.args[1]
    terms, arrow, kept = equation.partition("->")
    names = terms.split(",")
    if not arrow or "." in equation or not isinstance(operands, list | tuple) or not len(operands) == len(names) == 2:
        return f"the equation {equation!r}"
    if any(len(set(part)) < len(part) for part in (*names, kept)) or not set(kept) <= set(names[0] + names[1]):
        return f"the equation {equation!r}"
    if not state.depends(operands[0]):
        operands, names = operands[::-1], names[::-1]
    node, equation_of = state.node(operands[0]), (names[0], names[1], kept)
    if state.depends(operands[1]):
        return _contract_nodes(state, fx, path, node, state.node(operands[1]), equation_of)
    return _contract(state, fx, path, node, state.constant(operands[1]), equation_of)


def _contract(
    state: Lowering, fx: FxNode, path: str, node: Node, constant: Tensor, equation: tuple[str, str, str]
) -> str | None:
    """x with its summed axes last, times the constant as a matrix, with its axes put in order."""
    given, other, kept = equation
    summed = [i for i in given if i in other and i not in kept]
    rows, columns = ([i for i in part if i not in summed] for part in (given, other))
    if not summed or sorted(rows + columns) != sorted(kept):
        return f"the equation {given},{other}->{kept} with a constant"
    weight = constant.permute([other.index(i) for i in columns + summed])
    sizes = [*weight.shape[: len(columns)]]
    matrix = weight.reshape(-1, weight.shape[len(columns) :].numel())
    x = permute(state, fx, path, node, [given.index(i) for i in rows + summed])
    shape = x.shape[: len(rows)]
    mapped = dense(state, fx, path, _shaped(state, fx, path, x, (*shape, matrix.shape[1])), matrix)
    wide = _shaped(state, fx, path, mapped, (*shape, *sizes))
    permute(state, fx, path, wide, [(rows + columns).index(i) for i in kept])
    return None


def _contract_nodes(
    state: Lowering, fx: FxNode, path: str, a: Node, b: Node, equation: tuple[str, str, str]
) -> str | None:
    """Axes of both that are kept count matrix products; of each its own axes are rows or columns, joined to one."""
    left, right, kept = equation
    sizes = dict(zip(left + right, a.shape + b.shape, strict=True))
    both = [i for i in kept if i in left and i in right]
    rows, columns = ([i for i in kept if i in own and i not in both] for own in (left, right))
    summed = [i for i in left if i in right and i not in kept]
    alike = all(a.shape[left.index(i)] == b.shape[right.index(i)] for i in both + summed)
    if not alike or {*both, *rows, *columns, *summed} != {*left, *right}:
        return f"the equation {left},{right}->{kept}"
    lead, inner = [sizes[i] for i in both], math.prod(sizes[i] for i in summed)
    high, wide = (math.prod(sizes[i] for i in part) for part in (rows, columns))
    x = permute(state, fx, path, a, [left.index(i) for i in both + rows + summed])
    y = permute(state, fx, path, b, [right.index(i) for i in both + summed + columns])
    pair = [_shaped(state, fx, path, x, (*lead, high, inner)), _shaped(state, fx, path, y, (*lead, inner, wide))]
    done = state.add(fx, path, "matmul", pair, shape=(*lead, high, wide))
    order = both + rows + columns
    apart = _shaped(state, fx, path, done, tuple(sizes[i] for i in order))
    permute(state, fx, path, apart, [order.index(i) for i in kept])
    return None


def _shaped(state: Lowering, fx: FxNode, path: str, node: Node, shape: tuple[int, ...]) -> Node:
    return node if node.shape == shape else reshaped(state, fx, path, node, shape)
