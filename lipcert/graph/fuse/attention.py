"""Attention written by hand, matmul(softmax(scale · matmul(q, kᵀ) + bias, masked), v), as one node."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor

from lipcert.graph.fuse.entries import Nodes, in_order, narrowed, numbers, only_moves, origins, places, uniform
from lipcert.rules.types import Node

Consts = Mapping[str, Tensor]


@dataclass(frozen=True)
class _Logits:
    """factor · (entries `index` of a matmul) + bias, or the bias alone where `filled`; all three flat.

    The factor is within `ulps` roundoffs. The bias may be rounded: the rule for attention holds for every bias.
    """

    index: Tensor
    bias: Tensor
    filled: Tensor
    factor: float = 1.0
    ulps: int = 0


def join_attention(nodes: Nodes) -> dict[str, Node]:
    """Every matmul(softmax(…), v) whose softmax takes scaled products as `attention`, with new nodes for q and k."""
    users = Counter(name for node in nodes.values() for name in node.inputs)
    done: dict[str, Node] = {}
    for node in nodes.values():
        for part in _attention(nodes, users, node) if node.op == "matmul" else [node]:
            done[part.name] = part
    return done


def _attention(nodes: Nodes, users: Mapping[str, int], node: Node) -> list[Node]:
    """The nodes that a matmul becomes; itself where it is no attention."""
    soft, taken = _softmax(nodes, users, node.inputs[0])
    if soft is None or users[soft.name] != 1:
        return [node]
    product, logits = _logits(nodes, users, soft.inputs[0])
    if product is None or logits is None or users[product.name] != 1:
        return [node]
    shape = nodes[node.inputs[0]].shape
    in_place = product.shape[-2:] == shape[-2:] and in_order(logits.index[taken], product)
    if not in_place or not _sound(logits):
        return [node]
    return _joined(nodes, node, product, logits, _constants(soft, logits, taken))


def _softmax(nodes: Nodes, users: Mapping[str, int], name: str) -> tuple[Node | None, Tensor]:
    """The softmax along the last axis whose rows these are, and its entries in this node's shape."""
    for node, index in origins(nodes, name):
        if node.op == "softmax":
            length = node.shape[-1]
            rows = index.reshape(-1, index.shape[-1])
            whole = node.attrs["axis"] == -1 and rows.shape[1] == length and not bool((rows[:, 0] % length).any())
            ordered = whole and bool((rows == rows[:, :1] + torch.arange(length)).all())
            return (node if ordered else None), index
        if users[node.name] != 1:
            break
    return None, torch.empty(0)


def _logits(nodes: Nodes, users: Mapping[str, int], name: str) -> tuple[Node | None, _Logits | None]:
    """The matmul behind scalings by one number, added constants and moves of entries, and what becomes of it."""
    node = nodes[name]
    empty = torch.zeros(node.size, dtype=torch.float64)
    found = _Logits(numbers(node).reshape(-1), empty, empty.bool())
    while users[node.name] == 1:
        if node.op == "matmul":
            return node, found
        if node.op == "scale":
            factor = uniform(node, "factor")
            if factor is None:
                break
            found = _scaled(found, node, factor)
        elif only_moves(node):
            found = replace(found, index=places(node)[found.index])
        elif _fills(nodes, node):
            found = _filled(found, node)
        else:
            break
        node = nodes[node.inputs[0]]
    return None, None


def _fills(nodes: Nodes, node: Node) -> bool:
    """Whether a node has constants in the place of some entries of its only input, and the others as they were."""
    if node.op != "gather" or len(node.inputs) != 1 or nodes[node.inputs[0]].size != node.size:
        return False
    index = places(node)
    offset = node.consts["offset"].expand(node.shape).reshape(-1) if "offset" in node.consts else torch.zeros(1)
    return bool(((index < 0) | ((index == torch.arange(node.size)) & (offset == 0))).all())


def _filled(logits: _Logits, node: Node) -> _Logits:
    new = (places(node) < 0)[logits.index] & ~logits.filled
    wide = node.consts["offset"].double().expand(node.shape).reshape(-1) if "offset" in node.consts else torch.zeros(1)
    value = logits.factor * wide.expand(node.size)[logits.index]
    return replace(logits, bias=torch.where(new, logits.bias + value, logits.bias), filled=logits.filled | new)


def _scaled(logits: _Logits, node: Node, factor: float) -> _Logits:
    """c·y + b with y = factor·x + offset."""
    bias = logits.bias
    if "offset" in node.consts:
        wide = node.consts["offset"].double().expand(node.shape).reshape(-1)
        bias = torch.where(logits.filled, bias, bias + logits.factor * wide[logits.index])
    product = logits.factor * factor
    exact = math.isfinite(product) and Fraction(logits.factor) * Fraction(factor) == Fraction(product)
    ulps = logits.ulps + int(node.attrs.get("ulps", 0)) + (0 if exact else 1)
    return _Logits(logits.index, bias, logits.filled, product, ulps)


def _sound(logits: _Logits) -> bool:
    """No overflow, and no underflow, which roundoffs relative to a factor do not cover."""
    return bool(torch.isfinite(logits.bias).all()) and 1e-290 < abs(logits.factor) < math.inf


def _constants(soft: Node, logits: _Logits, taken: Tensor) -> Consts:
    consts = {"filled": narrowed(logits.filled[taken])} if bool(logits.filled.any()) else {}
    if bool((logits.bias != 0).any()):
        consts["bias"] = narrowed(logits.bias[taken])
    if "keep" in soft.consts:
        consts["keep"] = narrowed(soft.consts["keep"].expand(soft.shape).reshape(-1)[taken])
    return consts


def _joined(nodes: Nodes, node: Node, product: Node, logits: _Logits, consts: Consts) -> list[Node]:
    """q and k with the axes of v in front, the factor on q where it is not exact, and the attention."""
    (q, turned), v = (nodes[name] for name in product.inputs), node.inputs[1]
    lead, name = nodes[v].shape[:-2], node.name
    index = numbers(turned).mT
    new = [_gather(node, f"{name}.keys", turned, index.reshape(*lead, *index.shape[-2:]))]
    if q.shape[:-2] != lead:
        q = _reshape(node, f"{name}.queries", q, (*lead, *q.shape[-2:]))
        new.append(q)
    scale = logits.factor
    if logits.ulps:
        factor = {"factor": torch.tensor(scale, dtype=torch.float64)}
        q = replace(q, name=f"{name}.scaled", op="scale", inputs=(q.name,), attrs={"ulps": logits.ulps}, consts=factor)
        new.append(q)
        scale = 1.0
    attrs = {"scale": scale, "group": 1}
    return [*new, replace(node, op="attention", inputs=(q.name, new[0].name, v), attrs=attrs, consts=consts)]


def _gather(like: Node, name: str, base: Node, index: Tensor) -> Node:
    """Entries of a node, as a new node with the path of `like`."""
    attrs, consts, shape = {"sizes": [base.size]}, {"index": index.contiguous()}, tuple(index.shape)
    return replace(like, name=name, op="gather", inputs=(base.name,), shape=shape, attrs=attrs, consts=consts)


def _reshape(like: Node, name: str, base: Node, shape: tuple[int, ...]) -> Node:
    attrs = {"from": list(base.shape)}
    return replace(like, name=name, op="reshape", inputs=(base.name,), shape=shape, attrs=attrs, consts={})


def share_heads(nodes: Nodes) -> dict[str, Node]:
    """Keys and values that are repeated for a group of heads are taken once, and keys as they were before kᵀ."""
    done: dict[str, Node] = {}
    for node in nodes.values():
        for part in _shared(nodes, node) if node.op == "attention" and node.attrs["group"] == 1 else [node]:
            done[part.name] = part
    return done


def _shared(nodes: Nodes, node: Node) -> list[Node]:
    heads = node.shape[-3] if len(node.shape) > 2 else 1
    for group in (g for g in range(heads, 0, -1) if heads % g == 0):
        found = [list(_once(nodes, name, group)) for name in node.inputs[1:]]
        if all(found):
            break
    ends = [_end(node, name, each) for name, each in zip(("key", "value"), found, strict=True)]
    names = node.inputs[0], *(end.name for end in ends)
    attrs = {**node.attrs, "group": group}
    return [*(end for end in ends if end.name not in nodes), replace(node, inputs=names, attrs=attrs)]


def _once(nodes: Nodes, name: str, group: int) -> Iterator[tuple[Node, Tensor]]:
    """The nodes behind this one, with the entries that each run of `group` heads has in common, if it has."""
    for node, index in origins(nodes, name):
        if group == 1:
            yield node, index
            continue
        runs = index.reshape(*index.shape[:-3], -1, group, *index.shape[-2:])
        if bool((runs == runs.narrow(-3, 0, 1)).all()):
            yield node, runs.select(-3, 0)


def _end(node: Node, role: str, found: list[tuple[Node, Tensor]]) -> Node:
    """The furthest node that is these entries, in another shape if it has one; else a gather from the nearest."""
    whole = [(base, index) for base, index in found if in_order(index, base)]
    same = [base for base, index in whole if base.shape == index.shape]
    if same:
        return same[-1]
    base, index = (whole or found[:1])[-1]
    name, shape = f"{node.name}.{role}", tuple(index.shape)
    if whole:
        return _reshape(node, name, base, shape)
    return _gather(node, name, base, index)
