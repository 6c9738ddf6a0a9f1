"""Which parts of a graph to bound as a whole: as large as the budget allows, from the output back."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from lipcert.certificate.prove import Step
from lipcert.graph.graph import Graph
from lipcert.norms.norm import Norm
from lipcert.rules.regions.increments import is_large, variable_sizes
from lipcert.rules.regions.region import Region, bends, is_member, region_between
from lipcert.rules.regions.table import folded
from lipcert.rules.regions.terms import MOVES
from lipcert.rules.regions.token import one_token
from lipcert.rules.table import RULES
from lipcert.rules.types import Fact, Node, Reach

_FLOPS = 1e12
"""Largest estimated work of one region's proof: some 20 s on two cores."""
_ENTRIES = 3e7
"""Largest number of entries of one matrix that is formed: a quarter of a gigabyte."""
_DESCENT = 2048
"""Up to so many variables of a token, a descent on multipliers has time for its steps."""

_STILL = frozenset({"reshape", "gather"})


def attention_regions(graph: Graph) -> list[Step]:
    """Every attention, from the tokens that its queries, keys and values are made of to the layer after its heads."""
    dominator, users = dominators(graph), _users(graph)
    steps = []
    for node in graph.nodes.values():
        if node.op == "attention":
            entry, exit_ = _tokens_before(graph, dominator, node.name), _joined_after(graph, users, node.name)
            region = region_between(graph.nodes, entry, exit_)
            if region is not None:
                steps.append(Step(region, "attention"))
    return steps


def _tokens_before(graph: Graph, dominator: Mapping[str, str], name: str) -> str:
    """The last node that all of an attention runs through, before one linear layer and the moves round it."""
    entry = dominator[name]
    while True:
        before = region_between(graph.nodes, entry, name)
        layers = sum(graph.nodes[member].op == "linear" for member in before.members) if before is not None else 0
        node = graph.nodes[entry]
        joint = node.op == "linear" and layers == 0  # queries, keys and values from one layer
        if not (joint or node.op in MOVES) or len(node.inputs) != 1:
            return entry
        entry = node.inputs[0]


def _joined_after(graph: Graph, users: Mapping[str, list[str]], name: str) -> str:
    """The linear layer that joins the heads, or the last move before something else."""
    last = name
    while len(users[last]) == 1:
        after = graph.nodes[users[last][0]]
        if after.op == "linear":
            return after.name
        if after.op not in _STILL or len(after.inputs) != 1:
            break
        last = after.name
    return last


def _users(graph: Graph) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for node in graph.nodes.values():
        for name in node.inputs:
            users[name].append(node.name)
    return users


def find_regions(graph: Graph, facts: Mapping[str, Fact], norm: Norm, found: Sequence[Step] = ()) -> list[Step]:
    """Regions of linear and entrywise operations, from the output back, each with the method that bounds it.

    found: regions that stand already, and are not looked into.
    """
    dominator, entries = dominators(graph), {step.region.exit: step.region.entry for step in found}
    steps: list[Step] = []
    ends, seen = [graph.output], set()
    while ends:
        end = _before_moves(graph, ends.pop()) if norm.by_token else ends.pop()
        if end in seen or graph.nodes[end].op == "input":
            continue
        seen.add(end)
        if end in entries:
            ends.append(entries[end])
            continue
        region = _largest_region(graph, facts, norm, dominator, end)
        if region is None:
            ends.extend(graph.nodes[end].inputs)
            continue
        ends.append(region.entry)
        steps.extend(_with_method(graph.nodes, region, norm, facts))
    return steps[::-1]


def _before_moves(graph: Graph, name: str) -> str:
    """The node that moves and scalings start from: a region that ends behind them is bounded no better."""
    while graph.nodes[name].op in MOVES and len(graph.nodes[name].inputs) == 1:
        name = graph.nodes[name].inputs[0]
    return name


def dominators(graph: Graph) -> dict[str, str]:
    """The nearest node through which every path from the source runs (Cooper, Harvey and Kennedy 2001)."""
    order = {name: place for place, name in enumerate(graph.nodes)}
    nearest: dict[str, str] = {}
    for node in graph.nodes.values():
        common = node.inputs[0] if node.inputs else node.name
        for other in node.inputs[1:]:
            while common != other:
                if order[common] > order[other]:
                    common = nearest[common]
                else:
                    other = nearest[other]
        nearest[node.name] = common
    return nearest


def _largest_region(
    graph: Graph, facts: Mapping[str, Fact], norm: Norm, dominator: Mapping[str, str], end: str
) -> Region | None:
    best, entry = None, end
    while graph.nodes[entry].op != "input":
        entry = dominator[entry]
        region = region_between(graph.nodes, entry, end)
        if region is None or not _possible(graph.nodes, region, norm, facts):
            break
        best = region
    return best


def _possible(nodes: Mapping[str, Node], region: Region, norm: Norm, facts: Mapping[str, Fact]) -> bool:
    """Whether every member can stand in such a region, and its proof fits the budget."""
    reaches = {name: facts[name].reach for name in (region.entry, *region.members)}
    if not all(is_member(nodes[name], reaches) for name in region.members):
        return False
    if norm.by_token:
        one = one_token(nodes, region, facts)
        if one is None:
            return False
        nodes, reaches = one.nodes, {name: fact.reach for name, fact in one.facts.items()}
    return _affordable(nodes, region, norm, reaches)


def _affordable(nodes: Mapping[str, Node], region: Region, norm: Norm, reaches: Mapping[str, Reach]) -> bool:
    """Whether the matrices can be formed and the proof done within the budget."""
    sizes = variable_sizes(nodes, region)
    entry = sizes[0]
    widest = max(nodes[name].size for name in region.members)
    if norm.inner == "inf":
        return widest * entry <= _ENTRIES
    if len(sizes) == 1:
        return widest * entry <= _ENTRIES
    large = is_large(nodes, region)
    joined = any(_leans(nodes[name], reaches, large) for name in region.members)
    if joined:  # every variable then meets every other
        return widest * max(sizes) <= _ENTRIES and float(sum(sizes)) ** 3 <= _FLOPS
    sizes.append(nodes[region.exit].size)
    flops = sum(float(a + b) ** 3 for a, b in pairwise(sizes))
    return widest * max(sizes) <= _ENTRIES and flops <= _FLOPS


def _leans(node: Node, reaches: Mapping[str, Reach], large: bool) -> bool:
    """Whether a function's least slope is not 0, so that its input passes through beside its variable."""
    slopes = RULES[node.op].slopes
    if slopes is None:
        return False
    lo = slopes(node, reaches[node.inputs[0]])[0]
    return bool(np.any(lo < 0 if large else lo != 0))


def _with_method(nodes: Mapping[str, Node], region: Region, norm: Norm, facts: Mapping[str, Fact]) -> list[Step]:
    weighty = [name for name in region.members if nodes[name].op not in _STILL]
    if len(weighty) < 2:
        return []
    if norm.inner == "inf":
        return [Step(region, "remainder")]
    bent = sum(bends(nodes[name]) for name in region.members)
    if not bent:
        return [Step(region, "matrix")]
    one = one_token(nodes, region, facts) if norm.by_token else None
    large = one is not None and sum(variable_sizes(one.nodes, region)) > _DESCENT
    return [Step(region, "midrad" if large and bent == 1 else "multipliers")]


def folded_steps(graph: Graph) -> list[Step]:
    """Every convolution with the scalings that follow it, for graphs too large for matrices."""
    steps = []
    for node in graph.nodes.values():
        start = node
        while start.op == "scale":
            start = graph.nodes[start.inputs[0]]
        if start.op == "conv" and start is not node:
            region = region_between(graph.nodes, start.inputs[0], node.name)
            if region is not None and folded(graph.nodes, region) is not None:
                steps.append(Step(region, "folded"))
    return steps
