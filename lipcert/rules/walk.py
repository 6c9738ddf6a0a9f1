"""One step of a walk through a graph, and a walk through a part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flint import arb

from lipcert.norms.norm import TOKEN_L2, Norm
from lipcert.rules.grouping import regroup
from lipcert.rules.groups import Groups
from lipcert.rules.table import RULES
from lipcert.rules.types import Fact, Node, Prover

if TYPE_CHECKING:
    from lipcert.rules.regions.region import Region


def grouped(node: Node, inputs: Sequence[Fact]) -> tuple[list[Fact], Groups]:
    """The inputs in the groups that the rule needs, and the groups of its output."""
    groups = [fact.groups for fact in inputs if fact.groups is not None]
    assert len(groups) == len(inputs)  # the source has some, and so has the output of every rule
    needed, found = RULES[node.op].groups(node, groups)
    return [regroup(fact, part) for fact, part in zip(inputs, needed, strict=True)], found


def gain(node: Node, norm: Norm, inputs: Sequence[Fact], prover: Prover) -> arb:
    """The gain of a node's output from the facts of its inputs; inf where the rule knows none."""
    if norm.by_token:
        inputs, _ = grouped(node, inputs)
    found = RULES[node.op].gain(node, norm, inputs, prover)
    return arb("inf") if found is None else found


def gains(nodes: Mapping[str, Node], region: "Region", target: str, known: Mapping[str, Fact], prover: Prover) -> arb:
    """The gain from a region's entry to one of its members, operation by operation, token by token."""
    facts = {region.entry: replace(known[region.entry], gain=arb(1))}
    for name in region.members:
        if all(part in facts for part in nodes[name].inputs):
            inputs = [facts[part] for part in nodes[name].inputs]
            facts[name] = replace(known[name], gain=gain(nodes[name], TOKEN_L2, inputs, prover))
        if name == target:
            break
    return facts[target].gain
