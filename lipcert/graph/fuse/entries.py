"""Where the entries of a node come from, through nodes that only move them."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from lipcert.rules.types import Node

Nodes = Mapping[str, Node]


def numbers(node: Node) -> Tensor:
    """The numbers of a node's entries in row-major order, in its shape."""
    return torch.arange(node.size).reshape(node.shape)


def only_moves(node: Node) -> bool:
    """Whether every entry of a node is one of its only input."""
    if node.op == "reshape":
        return True
    return node.op == "gather" and len(node.inputs) == 1 and not adds(node) and bool((node.consts["index"] >= 0).all())


def adds(node: Node) -> bool:
    """Whether a node adds constants other than 0."""
    return "offset" in node.consts and bool((node.consts["offset"] != 0).any())


def places(node: Node) -> Tensor:
    """For every entry of a node that only moves entries, flat: the number of the one it takes."""
    return torch.arange(node.size) if node.op == "reshape" else node.consts["index"].reshape(-1)


def origins(nodes: Nodes, name: str) -> Iterator[tuple[Node, Tensor]]:
    """The node and, one after the other, those behind it that it only moves entries of.

    With each the numbers of its entries that the node consists of, in the node's shape.
    """
    node = nodes[name]
    index = numbers(node)
    yield node, index
    while only_moves(node):
        node, index = nodes[node.inputs[0]], places(node)[index]
        yield node, index


def in_order(index: Tensor, node: Node) -> bool:
    """Whether these are all entries of a node, in their order."""
    return index.numel() == node.size and bool((index.reshape(-1) == torch.arange(node.size)).all())


def unmoved(nodes: Nodes, name: str) -> Node:
    """The node furthest behind this one that has the same entries in the same order."""
    *_, last = (node for node, index in origins(nodes, name) if in_order(index, node))
    return last


def uniform(node: Node, key: str, default: float = 0.0) -> float | None:
    """The one value of all entries of a constant; None if there are several."""
    if key not in node.consts:
        return default
    value = node.consts[key].double().reshape(-1)
    return float(value[0]) if bool((value == value[0]).all()) else None


def narrowed(value: Tensor) -> Tensor:
    """A constant with size 1 along the axes where it does not change."""
    for axis in range(value.dim()):
        first = value.narrow(axis, 0, 1)
        if bool((value == first).all()):
            value = first
    return value.contiguous()
