"""Sums of scaled entries of one node, such as rotary positions in any spelling, as one sparse linear map.

Operation by operation a rotation of pairs by cos and sin is bounded by max|cos| + max|sin|; as one map it is by 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lipcert.graph.fuse.entries import Nodes, adds, numbers
from lipcert.rules.types import Node

_MOST_TERMS = 4


@dataclass(frozen=True)
class _Sparse:
    """Every entry as Σ_k factor[k] · base[index[k]], (terms, *shape); index -1 where there is no term.

    ulps: the roundoffs in a computed factor, relative to it.
    """

    index: Tensor
    factor: Tensor
    ulps: int = 0

    def padded(self, terms: int) -> "_Sparse":
        more = (terms - len(self.index), *self.index.shape[1:])
        index = torch.cat([self.index, torch.full(more, -1)])
        return replace(self, index=index, factor=torch.cat([self.factor, torch.zeros(more, dtype=torch.float64)]))


def join_linear_maps(nodes: Nodes) -> dict[str, Node]:
    """Sums over several entries of one node as `mix`; those of most nodes at once, and of the shape they started in."""
    order = {name: place for place, name in enumerate(nodes)}
    done = dict(nodes)
    inside: set[str] = set()
    for node in reversed(list(nodes.values())):
        if node.name in inside or node.op not in ("sum", "gather", "reshape"):
            continue
        base, members = _base(nodes, order, node)
        if base is None or (node.op != "sum" and base.shape != node.shape):
            continue
        mixed = _mix(nodes, node, base, sorted(members, key=order.__getitem__))
        if mixed is not None:
            done[node.name] = mixed
            inside |= members
    return done


def _base(nodes: Nodes, order: Mapping[str, int], node: Node) -> tuple[Node | None, set[str]]:
    """The nearest node that this one is made of by sums and linear maps of entries alone, and the nodes from it on.

    Behind reshapes, one of the same shape is preferred.
    """
    members, front = {node.name}, set(node.inputs)
    while len(front) > 1 or not any(nodes[name].op == "sum" for name in members):
        last = max(front, key=order.__getitem__)
        if nodes[last].op not in _TERMS:
            return None, members
        members.add(last)
        front = (front - {last}) | set(nodes[last].inputs)
    base = near = nodes[next(iter(front))]
    behind = set()
    while base.shape != node.shape and base.op == "reshape":
        behind.add(base.name)
        base = nodes[base.inputs[0]]
    return (base, members | behind) if base.shape == node.shape else (near, members)


def _mix(nodes: Nodes, node: Node, base: Node, members: list[str]) -> Node | None:
    """The members as one map of the base; None where it has no products without underflow, or too many terms."""
    start = numbers(base)[None]
    found = {base.name: _Sparse(start, torch.ones(start.shape, dtype=torch.float64))}
    for name in members:
        member = nodes[name]
        sparse = None if adds(member) else _TERMS[member.op](member, [found[part] for part in member.inputs])
        if sparse is None:
            return None
        found[name] = sparse
    whole = found[node.name]
    if not bool(((whole.index >= 0).sum(0) >= 2).any()) or not _several(whole):
        return None
    attrs = {"sizes": [base.size], **({"ulps": whole.ulps} if whole.ulps else {})}
    consts = {"index": whole.index.contiguous(), "factor": whole.factor.contiguous()}
    return replace(node, op="mix", inputs=(base.name,), attrs=attrs, consts=consts)


def _several(sparse: _Sparse) -> bool:
    """Whether an entry takes two different ones."""
    top = sparse.index.amax(0)
    return bool(((sparse.index >= 0) & (sparse.index != top)).any())


def _reshape(node: Node, parts: list[_Sparse]) -> _Sparse | None:
    shape = (-1, *node.shape)
    return replace(parts[0], index=parts[0].index.reshape(shape), factor=parts[0].factor.reshape(shape))


def _gather(node: Node, parts: list[_Sparse]) -> _Sparse | None:
    terms = max(len(part.index) for part in parts)
    even = [part.padded(terms) for part in parts]
    index = torch.cat([part.index.reshape(terms, -1) for part in even], 1)
    factor = torch.cat([part.factor.reshape(terms, -1) for part in even], 1)
    places = node.consts["index"]
    taken, none = places.clamp_min(0), places < 0
    return _Sparse(index[:, taken].masked_fill(none, -1), factor[:, taken].masked_fill(none, 0.0), _ulps(parts))


def _scale(node: Node, parts: list[_Sparse]) -> _Sparse | None:
    return _times(parts[0], node.consts["factor"].double().expand(node.shape), int(node.attrs.get("ulps", 0)))


def _sum(node: Node, parts: list[_Sparse]) -> _Sparse | None:
    scaled = []
    for part, c in zip(parts, node.attrs["coefficients"], strict=True):
        times = _times(part, torch.full(node.shape, float(c), dtype=torch.float64), 0)
        if times is None:
            return None
        scaled.append(times)
    index, factor = torch.cat([part.index for part in scaled]), torch.cat([part.factor for part in scaled])
    return _compressed(_Sparse(index, factor, _ulps(scaled)))


def _times(sparse: _Sparse, factor: Tensor, ulps: int) -> _Sparse | None:
    """A rounding more, unless one of the two factors is 0, 1 or -1 everywhere."""
    product = sparse.factor * factor
    nonzero = (sparse.factor != 0) & (factor != 0)
    if not bool(torch.isfinite(product).all()) or not bool((~nonzero | (product.abs() > 1e-290)).all()):
        return None
    exact = any(bool(((part == 0) | (part.abs() == 1)).all()) for part in (sparse.factor, factor))
    return _Sparse(sparse.index, product, sparse.ulps + ulps + (0 if exact else 1))


def _ulps(parts: list[_Sparse]) -> int:
    return max(part.ulps for part in parts)


def _compressed(sparse: _Sparse) -> _Sparse | None:
    """Terms of factor 0 left out; None where more than a few are left."""
    empty = (sparse.index < 0) | (sparse.factor == 0)
    terms = max(int((~empty).sum(0).max()), 1)
    order = empty.long().argsort(dim=0, stable=True)[:terms]
    index = sparse.index.masked_fill(empty, -1).gather(0, order)
    factor = sparse.factor.masked_fill(empty, 0.0).gather(0, order)
    return replace(sparse, index=index, factor=factor) if terms <= _MOST_TERMS else None


_TERMS: Mapping[str, Callable[[Node, list[_Sparse]], _Sparse | None]] = {
    "reshape": _reshape,
    "gather": _gather,
    "scale": _scale,
    "sum": _sum,
}
