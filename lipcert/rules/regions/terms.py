"""Chains of operations that pick, move and scale entries, as one sparse map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from lipcert.rules.interval import constant64
from lipcert.rules.types import Node

MOVES = frozenset({"reshape", "gather", "scale", "mix"})

Places = Int[np.ndarray, "terms *shape"]
Factors = Float[np.ndarray, "terms *shape"]
Offsets = Float[np.ndarray, "*shape"]

_LEAST = 1e-290


@dataclass(frozen=True)
class Terms:
    """Entry i of the target is Σ_k factor[k, i] · base[index[k, i]] + offset[i]; where a factor is 0 its index means
    nothing.

    ulps: every factor is within so many units of roundoff of the true one. The offset is exact.
    """

    index: Places
    factor: Factors
    offset: Offsets
    ulps: int = 0


def chain(nodes: Mapping[str, Node], name: str, entry: str) -> tuple[str, list[Node]]:
    """The moves behind a node, and the node that they start from: `entry`, or the first that is no move."""
    moves: list[Node] = []
    while name != entry and nodes[name].op in MOVES and len(nodes[name].inputs) == 1:
        moves.append(nodes[name])
        name = nodes[name].inputs[0]
    return name, moves[::-1]


def follow(base: Node, moves: Sequence[Node]) -> Terms | None:
    """The map from a base through moves; None where an offset is scaled, or a factor leaves the float range."""
    shape = base.shape
    terms: Terms | None = Terms(np.arange(base.size).reshape(1, *shape), np.ones((1, *shape)), np.zeros(shape))
    for node in moves:
        terms = _FOLLOW[node.op](node, terms) if terms is not None else None
    if terms is None or not bool(((terms.factor == 0) | (np.abs(terms.factor) > _LEAST)).all()):
        return None
    return terms


def _reshape(node: Node, terms: Terms) -> Terms:
    wide = (len(terms.index), *node.shape)
    return Terms(terms.index.reshape(wide), terms.factor.reshape(wide), terms.offset.reshape(node.shape), terms.ulps)


def _gather(node: Node, terms: Terms) -> Terms | None:
    index = node.consts["index"].numpy()
    known, place = index >= 0, index.clip(0)
    taken = terms.index.reshape(len(terms.index), -1)[:, place]
    factor = np.where(known, terms.factor.reshape(len(terms.factor), -1)[:, place], 0.0)
    carried = np.where(known, terms.offset.reshape(-1)[place], 0.0)
    return _shifted(node, Terms(taken, factor, carried, terms.ulps))


def _scale(node: Node, terms: Terms) -> Terms | None:
    factor = np.broadcast_to(constant64(node, "factor").numpy(), node.shape)
    if bool((terms.offset != 0).any()) and not bool((factor == 1).all()):
        return None
    ulps, product = terms.ulps + 1 + 2 * int(node.attrs.get("ulps", 0)), terms.factor * factor
    return _shifted(node, Terms(terms.index, product, terms.offset, ulps)) if _kept(terms.factor, factor) else None


def _mix(node: Node, terms: Terms) -> Terms | None:
    if bool((terms.offset != 0).any()):
        return None
    place = node.consts["index"].numpy()
    outer = np.where(place >= 0, constant64(node, "factor").numpy(), 0.0)
    flat = [part.reshape(len(part), -1)[:, place.clip(0)] for part in (terms.index, terms.factor)]
    if not _kept(flat[1], outer):
        return None
    index, factor = (part.reshape(-1, *node.shape) for part in (flat[0], flat[1] * outer))
    ulps = terms.ulps + 1 + 2 * int(node.attrs.get("ulps", 0))
    return _shifted(node, Terms(index, factor, np.zeros(node.shape), ulps))


def _kept(factor: Factors, other: np.ndarray) -> bool:
    """Whether no product of two factors leaves the float range."""
    size = np.abs(factor * other)
    return bool(((factor == 0) | (other == 0) | ((size > _LEAST) & np.isfinite(size))).all())


def _shifted(node: Node, terms: Terms) -> Terms | None:
    """With the node's own offset, where there is none yet: one is exact, a sum of two would be rounded."""
    if "offset" not in node.consts or not bool((node.consts["offset"] != 0).any()):
        return terms
    if bool((terms.offset != 0).any()):
        return None
    own = np.broadcast_to(constant64(node, "offset").numpy(), node.shape)
    return Terms(terms.index, terms.factor, own, terms.ulps)


_FOLLOW = {"reshape": _reshape, "gather": _gather, "scale": _scale, "mix": _mix}
