"""LayerNorm and RMSNorm written by hand over the last axis, and x - mean(x).

Operation by operation a quotient has no finite bound, and a difference with the mean has 2 where 1 is true.
"""

from dataclasses import replace

import torch

from lipcert.graph.fuse.entries import Nodes, adds, in_order, origins, uniform, unmoved
from lipcert.rules.types import Node


def join_centres(nodes: Nodes) -> dict[str, Node]:
    """x - mean(x) as `centre`."""
    done = dict(nodes)
    for node in nodes.values():
        if node.op == "sum" and list(node.attrs["coefficients"]) == [1.0, -1.0] and _takes_its_mean(nodes, node):
            attrs = {"features": node.shape[-1]}
            done[node.name] = replace(node, op="centre", inputs=node.inputs[:1], attrs=attrs, consts={})
    return done


def _takes_its_mean(nodes: Nodes, node: Node) -> bool:
    x, means = node.inputs
    mean = _one_a_row(nodes, means)
    return mean is not None and _is_row_mean(nodes, mean) and _same(nodes, mean.inputs[0], x)


def join_normalisations(nodes: Nodes) -> dict[str, Node]:
    """x / √(mean(x²) + eps) and, with x - mean(x) for x, LayerNorm as `normalise`, with weights behind it."""
    done: dict[str, Node] = {}
    for node in nodes.values():
        for part in _normalised(nodes, node) if node.op == "product" else [node]:
            done[part.name] = part
    return done


def _normalised(nodes: Nodes, node: Node) -> list[Node]:
    """The nodes that a product becomes; itself where it is no norm."""
    for x, inverse in (node.inputs, node.inputs[::-1]):
        eps = _eps(nodes, inverse, x)
        if eps is not None:
            return [_normalise(nodes, node, x, eps)]
        weighted = nodes[x]
        if weighted.op != "scale" or adds(weighted):
            continue
        (bare,) = weighted.inputs
        eps = _eps(nodes, inverse, bare)
        if eps is not None:  # (w ⊙ z)/√(mean(z²) + eps)
            normed = replace(_normalise(nodes, node, bare, eps), name=f"{node.name}.normalised")
            return [normed, replace(weighted, name=node.name, inputs=(normed.name,))]
    return [node]


def _normalise(nodes: Nodes, node: Node, x: str, eps: float) -> Node:
    centre = unmoved(nodes, x)
    centred = centre.op == "centre" and centre.shape == node.shape
    attrs = {"features": node.shape[-1], "eps": eps, "centred": centred}
    return replace(node, op="normalise", inputs=centre.inputs if centred else (x,), attrs=attrs, consts={})


def _eps(nodes: Nodes, inverse: str, x: str) -> float | None:
    """eps where `inverse` is 1/√(mean(x²) + eps) for every row of x, broadcast to it; None if it is something else."""
    root = _one_a_row(nodes, inverse)
    if root is None:
        return None
    if _function(root) == "reciprocal":
        root = unmoved(nodes, root.inputs[0])
        shifted = unmoved(nodes, root.inputs[0]) if _function(root) == "sqrt" else None
    else:
        shifted = unmoved(nodes, root.inputs[0]) if _function(root) == "rsqrt" else None
    if shifted is None:
        return None
    eps: float | None = 0.0
    if shifted.op == "scale" and uniform(shifted, "factor") == 1 and not shifted.attrs.get("ulps"):
        eps, shifted = uniform(shifted, "offset"), unmoved(nodes, shifted.inputs[0])
    if eps is None or not eps >= 0 or not _is_row_mean(nodes, shifted):
        return None
    square = unmoved(nodes, shifted.inputs[0])
    squared = _function(square) == "pow" and square.attrs["parameters"] == {"exponent": 2}
    return eps if squared and _same(nodes, square.inputs[0], x) else None


def _function(node: Node) -> str | None:
    return node.attrs["function"] if node.op == "entrywise" else None


def _one_a_row(nodes: Nodes, name: str) -> Node | None:
    """The node with an entry for every row of this one along its last axis, which is repeated along the row."""
    wide = nodes[name]
    if not wide.shape:
        return None
    row = torch.arange(wide.size) // wide.shape[-1]
    found = None
    for node, index in origins(nodes, name):
        if node.size * wide.shape[-1] == wide.size and bool((index.reshape(-1) == row).all()):
            found = node
    return found


def _is_row_mean(nodes: Nodes, node: Node) -> bool:
    """Whether a node holds the mean of each row of its input along the last axis, in their order."""
    if node.op != "window_sum" or adds(node):
        return False
    x, windows = nodes[node.inputs[0]], node.consts["windows"]
    length = x.shape[-1] if x.shape else 0
    if windows.shape[1] != length or windows.numel() != x.size:
        return False
    return in_order(windows, x) and bool((node.consts["divisor"] == length).all())


def _same(nodes: Nodes, a: str, b: str) -> bool:
    """Whether two nodes of one shape hold the same values: they are one, or both centre one."""
    one, other = unmoved(nodes, a), unmoved(nodes, b)
    if nodes[a].shape != nodes[b].shape:
        return False
    if one.op == other.op == "centre" and one.attrs == other.attrs and one.shape == other.shape:
        return unmoved(nodes, one.inputs[0]).name == unmoved(nodes, other.inputs[0]).name
    return one.name == other.name
