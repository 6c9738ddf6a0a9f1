"""The bound block by block: the nodes that everything runs through, and the paths between them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flint import arb

from lipcert.bounds.layers import operation
from lipcert.bounds.regions import dominators
from lipcert.certificate.prove import Proof, Route
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.rules.regions.region import region_between
from lipcert.rules.regions.terms import MOVES
from lipcert.rules.types import Fact, Node

PATHS = ("skip", "value", "softmax", "mlp")


@dataclass(frozen=True)
class Block:
    """A step of the main line. name: of the node that it ends in; path: of its module.

    paths: what each path adds to the step by its own bound, for sums of branches: "skip", "value" and "softmax" of
    attention, "mlp" for any other. step: the gain of the whole; below the sum of the paths where they are bounded
    together. gain: from the source to here. share: of the bound's logarithm, adding up to 1; None where the
    bound is at most 1.
    """

    name: str
    path: str
    operation: str
    paths: Mapping[str, arb]
    step: arb
    gain: arb
    share: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "path": self.path, "operation": self.operation,
            "paths": {name: ball.to_text(value) for name, value in self.paths.items()},
            "step": ball.to_text(self.step), "gain": ball.to_text(self.gain), "share": self.share,
        }  # fmt: skip


def block_table(graph: Graph, way: Route, proof: Proof, plain: Mapping[str, Fact], upper: arb) -> list[Block]:
    """The steps from the source to the output, and the conversion to the norm of the claim if there is one."""
    line, whole = _main_line(graph, proof), ball.log10(upper)
    blocks = []
    for entry, name in line:
        node, step = graph.nodes[name], _over(proof.facts[name].gain, proof.facts[entry].gain)
        paths = dict(_paths(graph, proof, plain, entry, node)) if node.op == "sum" else {}
        if paths or node.op not in MOVES or step != 1:
            gain = proof.facts[name].gain
            blocks.append(Block(name, node.path, operation(node), paths, step, gain, _share(step, whole)))
    if way.factor != 1:
        share = _share(way.factor, whole)
        blocks.append(Block("", "", f"to {way.claimed.name}", {}, way.factor, upper, share))
    return blocks


def _over(gain: arb, before: arb) -> arb:
    """Behind a gain of 0 nothing moves."""
    return gain / before if before != 0 else arb(0)


def _share(step: arb, whole: float) -> float | None:
    return ball.log10(step) / whole if step > 0 and 0 < whole < math.inf else None


def _main_line(graph: Graph, proof: Proof) -> list[tuple[str, str]]:
    """The nodes that every path runs through, in order, as pairs; what a region bounds as a whole is one step."""
    nearest = dominators(graph)
    jumps = {step.region.exit: step.region.entry for step in proof.used}
    line, name = [], graph.output
    while graph.nodes[name].op != "input":
        entry = jumps.get(name, nearest[name])
        line.append((entry, name))
        name = entry
    return line[::-1]


def _paths(graph: Graph, proof: Proof, plain: Mapping[str, Fact], entry: str, node: Node) -> Iterator[tuple[str, arb]]:
    """What each input of a sum adds; inputs of one kind together."""
    joint = any(step.region.exit == node.name for step in proof.used)
    facts = plain if joint else proof.facts
    added: dict[str, arb] = {}
    for name, coefficient in zip(node.inputs, node.attrs["coefficients"], strict=True):
        size = abs(arb(coefficient)) * _over(facts[name].gain, facts[entry].gain)
        for kind, part in _parts(graph, proof, entry, name):
            added[kind] = added.get(kind, arb(0)) + size * part
    yield from ((kind, added[kind]) for kind in PATHS if kind in added)


def _parts(graph: Graph, proof: Proof, entry: str, name: str) -> Iterator[tuple[str, arb]]:
    """The kinds of path from the entry to one input, and the share of each."""
    region = region_between(graph.nodes, entry, name) if name != entry else None
    members = region.members if region is not None else ()
    if all(graph.nodes[member].op in MOVES for member in members):
        yield "skip", arb(1)
        return
    for step, whole in proof.used.items():
        if whole.paths and step.region.exit in members and whole.gain > 0:
            yield from ((kind, part / whole.gain) for kind, part in whole.paths.items())
            return
    yield ("softmax" if any(graph.nodes[member].op == "attention" for member in members) else "mlp"), arb(1)
