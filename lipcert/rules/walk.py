"""One step of a walk through a graph, and a walk through a part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flint import arb

from lipcert.norms.norm import TOKEN_L2, Norm
from lipcert.rules.grouping import regroup
from lipcert.rules.groups import Groups
from lipcert.rules.table import RULES
from lipcert.rules.types import Fact, Node, Prover

if TYPE_CHECKING:
    from lipcert.rules.regions.region import Region


@dataclass(frozen=True)
class Passage:
    """How a node takes its inputs. inputs: in the groups that its rule needs; their gain is what that multiplies.

    alone: the gain through a linear operation on one input, which does not depend on what is known of that.
    """

    inputs: Sequence[Fact]
    groups: Groups | None
    alone: arb | None

    @classmethod
    def of(cls, node: Node, norm: Norm, inputs: Sequence[Fact], prover: Prover) -> "Passage":
        rule, found = RULES[node.op], None
        inputs = [replace(fact, gain=arb(1)) for fact in inputs]
        if norm.by_token:
            groups = [fact.groups for fact in inputs if fact.groups is not None]
            assert len(groups) == len(inputs)  # the source has some, and so has the output of every rule
            needed, found = rule.groups(node, groups)
            inputs = [regroup(fact, part) for fact, part in zip(inputs, needed, strict=True)]
        linear = rule.linear is not None and len(inputs) == 1
        alone = rule.gain(node, norm, [replace(inputs[0], gain=arb(1))], prover) if linear else None
        return cls(inputs, found, alone)

    def gain(self, node: Node, norm: Norm, gains: Sequence[arb], prover: Prover) -> arb:
        """Of the node's output, from those of its inputs; inf where the rule knows none."""
        if self.alone is not None:
            return self.alone * self.inputs[0].gain * gains[0]
        facts = [replace(fact, gain=fact.gain * g) for fact, g in zip(self.inputs, gains, strict=True)]
        found = RULES[node.op].gain(node, norm, facts, prover)
        return arb("inf") if found is None else found


def gains(nodes: Mapping[str, Node], region: "Region", target: str, known: Mapping[str, Fact], prover: Prover) -> arb:
    """The gain from a region's entry to one of its members, operation by operation, token by token."""
    facts = {region.entry: replace(known[region.entry], gain=arb(1))}
    for name in region.members:
        if all(part in facts for part in nodes[name].inputs):
            inputs = [facts[part] for part in nodes[name].inputs]
            way = Passage.of(nodes[name], TOKEN_L2, inputs, prover)
            reached = way.gain(nodes[name], TOKEN_L2, [fact.gain for fact in inputs], prover)
            facts[name] = replace(known[name], gain=reached)
        if name == target:
            break
    return facts[target].gain
