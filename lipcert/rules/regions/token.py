"""A region that maps every token alike, as the map of one token."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int

from lipcert.rules.groups import Groups
from lipcert.rules.regions.region import Region
from lipcert.rules.types import Fact, Node, Reach

Places = Int[np.ndarray, "_ _"]
"""For every token, the places of its entries in a node's row-major order."""


@dataclass(frozen=True)
class One:
    """The region's nodes for one token, each a row, and what is known of their values whatever the token."""

    nodes: dict[str, Node]
    facts: dict[str, Fact]


def one_token(nodes: Mapping[str, Node], region: Region, facts: Mapping[str, Fact]) -> One | None:
    """None where the tokens are mixed or mapped differently.

    Every group of every member is then the image of the same group of the entry under one map, so a bound
    of that map is one of the largest group.
    """
    names = (region.entry, *region.members)
    places = {name: _places(facts[name].groups) for name in names}
    if any(found is None for found in places.values()):
        return None
    known = {name: found for name, found in places.items() if found is not None}
    single: dict[str, Node] = {region.entry: _row(nodes[region.entry], known[region.entry])}
    for name in region.members:
        node = _single(nodes[name], nodes, known)
        if node is None:
            return None
        single[name] = node
    return One({**nodes, **single}, {name: _hull(facts[name], known[name]) for name in names})


def _places(groups: Groups | None) -> Places | None:
    """None where the groups are not of one size."""
    if groups is None:
        return None
    labels = groups.full.reshape(-1)
    found, counts = np.unique(labels, return_counts=True)
    if not bool((counts == counts[0]).all()):
        return None
    return np.argsort(labels, kind="stable").reshape(len(found), -1)


def _row(node: Node, places: Places) -> Node:
    return replace(node, shape=(1, places.shape[1]))


def _single(node: Node, nodes: Mapping[str, Node], places: Mapping[str, Places]) -> Node | None:
    """The node for one token; None where it is no map that is the same for all."""
    found = places[node.name]
    inputs = [places[name] for name in node.inputs]
    if any(len(part) != len(found) for part in inputs):
        return None
    alone = _row(node, found)
    if node.op == "centre":
        whole = np.array_equal(inputs[0], found) and _are_rows(found) and node.attrs["features"] == found.shape[1]
        return alone if whole else None
    if node.op in ("sum", "product", "extremum", "scale", "entrywise"):
        if any(not np.array_equal(part, found) for part in inputs):
            return None
        return _constants_alike(alone, node, found)
    if node.op == "linear":
        weight = node.consts["weight"]
        one_row = inputs[0].shape[1] == weight.shape[1] and found.shape[1] == weight.shape[0]
        in_order = one_row and _are_rows(inputs[0]) and _are_rows(found)
        return _constants_alike(alone, node, found) if in_order else None
    if node.op == "reshape":
        if not np.array_equal(inputs[0], found):
            return None
        return replace(alone, attrs={"from": [1, found.shape[1]]})
    return _gather(alone, node, nodes, inputs, found) if node.op == "gather" else None


def _are_rows(places: Places) -> bool:
    """Whether every token is a run of consecutive entries, in the order of the tensor."""
    return np.array_equal(places, np.arange(places.size).reshape(places.shape))


def _constants_alike(alone: Node, node: Node, places: Places) -> Node | None:
    """The node with its constants cut to one token, where they are the same for all."""
    consts = {key: value for key, value in node.consts.items() if key == "weight"}
    for key, value in node.consts.items():
        if key == "weight":
            continue
        wide = value.expand(node.shape).reshape(-1)[torch.from_numpy(places)]
        if not bool((wide == wide[:1]).all()):
            return None
        consts[key] = wide[:1]
    parameters = node.attrs.get("parameters", {})
    if any(isinstance(value, list) for value in parameters.values()):
        return None
    return replace(alone, consts=consts)


def _gather(alone: Node, node: Node, nodes: Mapping[str, Node], inputs: list[Places], found: Places) -> Node | None:
    """A gather that takes the same entries of the same token for every token."""
    token, place = (_numbers(inputs, nodes, node, kind) for kind in (0, 1))
    index = node.consts["index"].reshape(-1).numpy()[found]
    of_token = np.where(index < 0, np.arange(len(found))[:, None], token[index.clip(0)])
    local = np.where(index < 0, -1, place[index.clip(0)])
    alike = bool((of_token == np.arange(len(found))[:, None]).all()) and bool((local == local[:1]).all())
    if not alike:
        return None
    sizes = [part.shape[1] for part in inputs]
    cut = _constants_alike(replace(alone, consts={}), replace(node, consts=_offset(node)), found)
    if cut is None:
        return None
    return replace(cut, attrs={"sizes": sizes}, consts={**cut.consts, "index": torch.from_numpy(local[:1].copy())})


def _offset(node: Node) -> dict[str, torch.Tensor]:
    return {key: value for key, value in node.consts.items() if key == "offset"}


def _numbers(inputs: list[Places], nodes: Mapping[str, Node], node: Node, kind: int) -> Int[np.ndarray, " entries"]:
    """For every entry of the joined inputs its token (kind 0), or its place in the joined rows of that token."""
    parts, before = [], 0
    for name, places in zip(node.inputs, inputs, strict=True):
        tokens, features = np.indices(places.shape)
        numbers = np.empty(math.prod(nodes[name].shape), dtype=np.int64)
        numbers[places.reshape(-1)] = (tokens if kind == 0 else features + before).reshape(-1)
        parts.append(numbers)
        before += places.shape[1]
    return np.concatenate(parts)


def _hull(fact: Fact, places: Places) -> Fact:
    lo, hi = (np.broadcast_to(end, fact.groups.shape).reshape(-1)[places] for end in (fact.reach.lo, fact.reach.hi))  # type: ignore[union-attr]
    return Fact(fact.gain, Reach(lo.min(axis=0)[None], hi.max(axis=0)[None]), fact.size)
