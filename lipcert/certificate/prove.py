"""The one walk that proves: source to output, each node from the facts of its inputs.

The search runs it with a prover that finds witnesses, the checker with one that only reads them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flint import arb

from lipcert.errors import UnsupportedError
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import Norm
from lipcert.rules.domain import Domain
from lipcert.rules.regions.region import Region
from lipcert.rules.regions.table import RegionProver, prove_region
from lipcert.rules.table import RULES
from lipcert.rules.types import Fact, Reach

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many steps are done; 0 of 0 where nobody knows."""


def silent(doing: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Step:
    """A region and the method that bounds it."""

    region: Region
    method: str


@dataclass(frozen=True)
class Proof:
    """Facts by node, and the steps that made some fact smaller than the rules alone."""

    facts: dict[str, Fact]
    used: list[Step]


def reaches(graph: Graph, domain: Domain) -> dict[str, Reach]:
    """What every node's values can be when the source ranges over the domain."""
    found: dict[str, Reach] = {}
    for node in graph.nodes.values():
        if node.op == "input":
            found[node.name] = domain.reach(node.shape)
        else:
            found[node.name] = RULES[node.op].reach(node, [found[name] for name in node.inputs])
    return found


def prove(
    graph: Graph,
    norm: Norm,
    reach: Mapping[str, Reach],
    steps: Sequence[Step],
    prover: RegionProver,
    progress: Progress = silent,
) -> Proof:
    """The facts of every node; at the exit of a region the smaller of its gain and the rule's.

    Raises UnsupportedError naming every node without a finite bound on this domain.
    """
    facts: dict[str, Fact] = {graph.source: Fact(arb(1), reach[graph.source])}
    problems: dict[str, str] = {}
    used: list[Step] = []
    for place, node in enumerate(graph.nodes.values()):
        if node.op == "input":
            continue
        progress(f"proving {node.name}", place, len(graph.nodes))
        inputs = [facts[name] for name in node.inputs]
        gain = RULES[node.op].gain(node, norm, inputs, prover)
        gain = arb("inf") if gain is None else gain
        for step in (s for s in steps if s.region.exit == node.name):
            whole = prove_region(step.method, graph.nodes, step.region, norm, reach, prover)
            if whole is not None and _below(whole * facts[step.region.entry].gain, gain):
                gain = whole * facts[step.region.entry].gain
                used.append(step)
        if not gain.is_finite() and all(fact.gain.is_finite() for fact in inputs):
            problems[node.name] = _problem(graph, node.name)
        facts[node.name] = Fact(gain, reach[node.name])
    if problems:
        raise UnsupportedError(
            "no finite bound on this domain:\n" + "\n".join(f"  {text}" for text in problems.values()),
            hint="A bounded domain often gives one: try --domain box:0,1 with the range of your inputs.",
        )
    return Proof(facts, used)


def _below(new: arb, old: arb) -> bool:
    """Whether an upper bound improves on another; one that is not finite never does."""
    return bool(new.is_finite()) and not ball.upper(old) <= ball.upper(new)


def _problem(graph: Graph, name: str) -> str:
    node = graph.nodes[name]
    function = node.attrs.get("function", node.op)
    return f"{node.path or '(top level)'}: {function} ({node.target}): {RULES[node.op].needs or 'the gain overflows'}"
