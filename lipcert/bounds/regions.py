"""Which parts of a graph to bound as a whole: as large as the budget allows, from the output back."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from lipcert.certificate.prove import Step
from lipcert.graph.graph import Graph
from lipcert.norms.norm import Norm
from lipcert.rules.regions.increments import is_large, variable_sizes
from lipcert.rules.regions.region import Region, bends, is_member, region_between
from lipcert.rules.regions.table import folded
from lipcert.rules.table import RULES
from lipcert.rules.types import Node, Reach

_FLOPS = 1e12
"""Largest estimated work of one region's proof: some 20 s on two cores."""
_ENTRIES = 3e7
"""Largest number of entries of one matrix that is formed: a quarter of a gigabyte."""

_MOVES = frozenset({"reshape", "gather"})


def find_regions(graph: Graph, reaches: Mapping[str, Reach], norm: Norm) -> list[Step]:
    """Regions that cover the graph from its output back, each with the method that bounds it."""
    dominator = _dominators(graph)
    steps: list[Step] = []
    ends, seen = [graph.output], set()
    while ends:
        end = ends.pop()
        if end in seen or graph.nodes[end].op == "input":
            continue
        seen.add(end)
        region = _largest_region(graph, reaches, norm, dominator, end)
        if region is None:
            ends.extend(graph.nodes[end].inputs)
            continue
        ends.append(region.entry)
        steps.extend(_with_method(graph.nodes, region, norm))
    return steps[::-1]


def _dominators(graph: Graph) -> dict[str, str]:
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
    graph: Graph, reaches: Mapping[str, Reach], norm: Norm, dominator: Mapping[str, str], end: str
) -> Region | None:
    best, entry = None, end
    while graph.nodes[entry].op != "input":
        entry = dominator[entry]
        region = region_between(graph.nodes, entry, end)
        if region is None or not all(is_member(graph.nodes[name], reaches) for name in region.members):
            break
        if not _affordable(graph.nodes, region, norm, reaches):
            break
        best = region
    return best


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


def _with_method(nodes: Mapping[str, Node], region: Region, norm: Norm) -> list[Step]:
    weighty = [name for name in region.members if nodes[name].op not in _MOVES]
    if len(weighty) < 2:
        return []
    if norm.inner == "inf":
        return [Step(region, "remainder")]
    bent = any(bends(nodes[name]) for name in region.members)
    return [Step(region, "multipliers" if bent else "matrix")]


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
