"""GELU, in both forms, and SiLU written by hand, x times a gate of x.

Operation by operation a product of activations has a finite bound only where both are bounded; as functions of one
entry they have slopes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import torch

from lipcert.graph.fuse.entries import Nodes, uniform
from lipcert.rules.pointwise.smooth import GELU_CUBIC, GELU_SCALE
from lipcert.rules.types import Node


@dataclass(frozen=True)
class _Line:
    """factor · (entries of a node) + offset; the factor is within `ulps` roundoffs."""

    node: Node
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    ulps: int = 0


@dataclass(frozen=True)
class _Curve:
    """outer · φ(inner · entries of a node); both factors are within `ulps` roundoffs."""

    node: Node
    function: str
    inner: float
    outer: float
    ulps: int


def join_activations(nodes: Nodes) -> dict[str, Node]:
    """Products that are one function of one entry as that function, with scalings before and behind it."""
    done: dict[str, Node] = {}
    for node in nodes.values():
        for part in _activation(nodes, node) if node.op == "product" else [node]:
            done[part.name] = part
    return done


def _activation(nodes: Nodes, node: Node) -> list[Node]:
    """The nodes that a product becomes; itself where it is none of these functions."""
    for x, gate in (node.inputs, node.inputs[::-1]):
        for opened in _lines(nodes, gate):
            for line in _lines(nodes, x):
                curve = _curve(nodes, line, opened)
                if curve is not None:
                    return _drawn(node, curve)
    return [node]


def _lines(nodes: Nodes, name: str) -> Iterator[_Line]:
    """A node as a line of itself, and of the nodes before the scalings by one number that lead to it."""
    line = _Line(nodes[name])
    yield line
    while line.node.op == "scale":
        factor, offset = uniform(line.node, "factor"), uniform(line.node, "offset")
        if factor is None or offset is None or (line.ulps and offset):
            return
        ulps = line.ulps + int(line.node.attrs.get("ulps", 0))
        before = nodes[line.node.inputs[0]]
        line = _Line(before, line.factor * Fraction(factor), line.factor * Fraction(offset) + line.offset, ulps)
        yield line


def _curve(nodes: Nodes, line: _Line, gate: _Line) -> _Curve | None:
    """line · gate, where that is p·x · (q·g(…x…) + r) for one of three functions g.

    erf, q = r:      p·x · q(1 + erf(a·x)) = 2pq · gelu(λx)/λ with λ = √2·a, as gelu(z) = z(1 + erf(z/√2))/2.
    sigmoid, r = 0:  p·x · q·sigmoid(a·x) = pq · silu(ax)/a, as silu(z) = z·sigmoid(z).
    tanh, q = r:     p·x · q(1 + tanh(s(x + c·x³))) = 2pq · gelu_tanh(x), for the very s and c of gelu_tanh.
    """
    function = gate.node.attrs["function"] if gate.node.op == "entrywise" else ""
    if line.offset or gate.ulps or not line.factor or not gate.factor:
        return None
    height = line.factor * gate.factor
    if function == "sigmoid" and not gate.offset:
        return _stretched(nodes, line, gate.node, "silu", height)
    if function == "erf" and gate.offset == gate.factor:
        return _stretched(nodes, line, gate.node, "gelu", 2 * height)
    if function == "tanh" and gate.offset == gate.factor and _is_cubic(nodes, gate.node.inputs[0], line.node.name):
        return _Curve(line.node, "gelu_tanh", 1.0, *_rounded(2 * height, line.ulps))
    return None


def _stretched(nodes: Nodes, line: _Line, gate: Node, function: str, height: Fraction) -> _Curve | None:
    """height · φ(λx)/λ, where the gate takes a multiple of the same x."""
    for taken in _lines(nodes, gate.inputs[0]):
        if taken.node.name == line.node.name and taken.factor and not taken.offset:
            inner, ulps = _rounded(taken.factor, taken.ulps)
            if function == "gelu":
                inner, ulps = inner * math.sqrt(2), ulps + 2  # √2 is rounded, and so is the product
            if not 1e-100 < abs(inner) < 1e100:
                return None
            outer, both = _rounded(height / Fraction(inner), ulps + (1 if ulps else 0))  # 1/(1 + δ) is not 1 - δ
            return _Curve(line.node, function, inner, outer, both + line.ulps)
    return None


def _rounded(value: Fraction, ulps: int) -> tuple[float, int]:
    """A factor as a float, and how many roundoffs it is away."""
    number = float(value)
    return number, ulps if Fraction(number) == value else ulps + 1


def _is_cubic(nodes: Nodes, name: str, x: str) -> bool:
    """Whether a node is s(x + c·x³) with the s and c of gelu_tanh."""
    return any(
        line.factor == Fraction(GELU_SCALE) and not line.offset and not line.ulps and _adds_cube(nodes, line.node, x)
        for line in _lines(nodes, name)
    )


def _adds_cube(nodes: Nodes, node: Node, x: str) -> bool:
    if node.op != "sum" or list(node.attrs["coefficients"]) != [1.0, 1.0] or x not in node.inputs:
        return False
    (cube,) = [name for name in node.inputs if name != x] or [x]
    return any(
        line.factor == Fraction(GELU_CUBIC) and not line.offset and not line.ulps and _is_cube(line.node, x)
        for line in _lines(nodes, cube)
    )


def _is_cube(node: Node, x: str) -> bool:
    power = node.op == "entrywise" and node.attrs["function"] == "pow"
    return power and node.attrs["parameters"] == {"exponent": 3} and node.inputs == (x,)


def _drawn(node: Node, curve: _Curve) -> list[Node]:
    """The function between its scalings, the last one under the name of the product."""
    inner, outer = (_scaled(node, factor, curve.ulps) for factor in (curve.inner, curve.outer))
    steps = [inner, _applied(node, curve.function), outer]
    kept = [step for step in steps if step.op != "scale" or curve.ulps or float(step.consts["factor"]) != 1]
    names = [f"{node.name}.curve{place}" for place in range(len(kept) - 1)] + [node.name]
    before = [curve.node.name, *names[:-1]]
    return [replace(step, name=name, inputs=(last,)) for step, name, last in zip(kept, names, before, strict=True)]


def _applied(node: Node, function: str) -> Node:
    return replace(node, op="entrywise", attrs={"function": function, "parameters": {}}, consts={})


def _scaled(node: Node, factor: float, ulps: int) -> Node:
    consts = {"factor": torch.tensor(factor, dtype=torch.float64)}
    return replace(node, op="scale", attrs={"ulps": ulps} if ulps else {}, consts=consts)
