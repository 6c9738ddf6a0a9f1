"""The one walk that proves: source to output, each node from the facts of its inputs.

The search runs it with a prover that finds witnesses, the checker with one that only reads them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from flint import arb

from lipcert.errors import UnsupportedError
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import TOKEN_L2, Norm
from lipcert.rules.domain import Domain
from lipcert.rules.grouping import regroup
from lipcert.rules.groups import once, rows
from lipcert.rules.interval import offset
from lipcert.rules.regions.region import Region, Whole
from lipcert.rules.regions.table import METHODS, RegionProver, prove_region
from lipcert.rules.table import RULES
from lipcert.rules.types import Fact, Node, Reach
from lipcert.rules.walk import Passage

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many steps are done; 0 of 0 where nobody knows."""

_UNKNOWN = arb("inf")


def silent(doing: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Step:
    """A region and the method that bounds it."""

    region: Region
    method: str


@dataclass(frozen=True)
class Known:
    """facts: of the values of every node. passages: how it takes its inputs. wholes: what the regions that bound
    sizes proved."""

    facts: dict[str, Fact]
    passages: dict[str, Passage]
    wholes: dict[Step, Whole | None]


@dataclass(frozen=True)
class Proof:
    """Facts by node, and the steps that made some fact smaller than the rules alone, with what they proved."""

    facts: dict[str, Fact]
    used: dict[Step, Whole]


@dataclass(frozen=True)
class Route:
    """The norm that the walk is made in, and what its result is multiplied by for the norm of the claim."""

    norm: Norm
    factor: arb
    claimed: Norm


def route(graph: Graph, norm: Norm) -> Route:
    """Attention is bounded token by token, and flat norms of whole sequences by conversion.

    token-rms: |y| = |y|_2/√d on both sides. l2: |Δy|_2² is the sum over the T tokens of the output, each at most the
    largest, and the largest token of Δx is at most |Δx|_2. linf: |Δy|_∞ is at most the longest token's l2 norm, and
    |Δx_t|_2 <= √d |Δx|_∞.
    """
    given, found = (graph.nodes[name].shape or (1,) for name in (graph.source, graph.output))
    if norm.by_token:
        return Route(norm, norm.unit(found[-1]) / norm.unit(given[-1]), norm)
    tokens = len(given) > 2 and any(node.op == "attention" for node in graph.nodes.values())
    if not tokens:
        return Route(norm, arb(1), norm)
    factor = arb(int(np.prod(found[:-1]))) if norm.inner == 2 else arb(given[-1])
    return Route(TOKEN_L2, factor.sqrt(), norm)


def values(
    graph: Graph, norm: Norm, domain: Domain, steps: Sequence[Step], prover: RegionProver, progress: Progress = silent
) -> Known:
    """What every node's values can be when the source ranges over the domain; gains are not known yet.

    norm: of the claim, in which the domain's radius is measured. steps: regions that also bound sizes.
    """
    walked = route(graph, norm).norm
    found: dict[str, Fact] = {}
    passages: dict[str, Passage] = {}
    wholes: dict[Step, Whole | None] = {}
    for place, node in enumerate(graph.nodes.values()):
        progress(f"bounding the values of {node.name}", place, len(graph.nodes))
        if node.op == "input":
            found[node.name] = _at_source(graph, node, norm, walked, domain)
            continue
        inputs = [found[name] for name in node.inputs]
        passages[node.name] = way = Passage.of(node, walked, inputs, prover)
        fact = found[node.name] = _value(node, walked, inputs, way, prover)
        for step in (s for s in steps if s.region.exit == node.name and METHODS[s.method].sizes):
            whole = prove_region(step.method, graph.nodes, step.region, walked, found, prover)
            wholes[step] = whole
            if whole is not None:
                fact = replace(fact, size=fact.size.min(whole.size))
        found[node.name] = _tightened(fact)
    return Known(found, passages, wholes)


def _at_source(graph: Graph, node: Node, norm: Norm, walked: Norm, domain: Domain) -> Fact:
    reach = domain.reach(node.shape, norm, graph.table)
    reach = reach.over(node.shape)
    if not walked.by_token:
        return Fact(_UNKNOWN, reach)
    return Fact(_UNKNOWN, reach, domain.size(node.shape, norm, graph.table), rows(node.shape))


def _value(node: Node, norm: Norm, inputs: Sequence[Fact], way: Passage, prover: RegionProver) -> Fact:
    rule, groups = RULES[node.op], way.groups
    reach = rule.reach(node, [fact.reach for fact in inputs]).over(node.shape)
    if groups is None:
        return Fact(_UNKNOWN, reach)
    size = groups.norm(reach.magnitude) if reach.bounded else arb("inf")
    if rule.linear is not None:
        # |Lx + b|_g <= gain · |x| + |b|_g: the same inequality as for differences. Regrouping is in the gain.
        moved = way.gain(node, norm, [fact.size for fact in inputs], prover)
        shift = np.abs(np.asarray(offset(node)))
        size = size.min(moved + groups.norm(shift)) if moved.is_finite() else size
    elif rule.size is not None:
        size = size.min(rule.size(node, way.inputs))
    return Fact(_UNKNOWN, reach, size, groups)


def _tightened(fact: Fact) -> Fact:
    """No entry is larger than the norm of its group."""
    largest, shape = ball.up(fact.size), fact.reach.lo.shape
    if not np.isfinite(largest):
        return fact
    lo, hi = np.maximum(once(fact.reach.lo), -largest), np.minimum(once(fact.reach.hi), largest)
    return replace(fact, reach=Reach(lo, hi).over(shape))


def prove(
    graph: Graph,
    norm: Norm,
    known: Known,
    steps: Sequence[Step],
    prover: RegionProver,
    progress: Progress = silent,
) -> Proof:
    """The facts of every node; at the exit of a region the smaller of its gain and the rule's.

    norm: that of the route. known: what `values` found. Raises UnsupportedError naming every node without a
    finite bound on this domain.
    """
    facts: dict[str, Fact] = {graph.source: replace(known.facts[graph.source], gain=arb(1))}
    problems: dict[str, str] = {}
    used: dict[Step, Whole] = {}
    for place, node in enumerate(graph.nodes.values()):
        if node.op == "input":
            continue
        progress(f"proving {node.name}", place, len(graph.nodes))
        inputs = [facts[name] for name in node.inputs]
        reached = known.passages[node.name].gain(node, norm, [fact.gain for fact in inputs], prover)
        for step in (s for s in steps if s.region.exit == node.name):
            whole = (
                known.wholes[step]
                if step in known.wholes
                else prove_region(step.method, graph.nodes, step.region, norm, known.facts, prover)
            )
            if whole is not None and _below(whole.gain * facts[step.region.entry].gain, reached):
                reached = whole.gain * facts[step.region.entry].gain
                used[step] = whole
        if not reached.is_finite() and all(fact.gain.is_finite() for fact in inputs):
            problems[node.name] = _problem(graph, node.name)
        facts[node.name] = replace(known.facts[node.name], gain=reached)
    if problems:
        raise UnsupportedError(
            "no finite bound on this domain:\n" + "\n".join(f"  {text}" for text in problems.values()),
            hint="A bounded domain often gives one: --domain box:0,1 with the range of your inputs, or, from an "
            "embedding, --domain vocabulary.",
        )
    return Proof(facts, used)


def total(graph: Graph, norm: Norm, facts: Mapping[str, Fact]) -> arb:
    """The bound in the norm of the claim, from the facts of the walk."""
    way, last = route(graph, norm), facts[graph.output]
    if way.norm.by_token:
        last = regroup(last, rows(graph.nodes[graph.output].shape))
    return last.gain * way.factor


def _below(new: arb, old: arb) -> bool:
    """Whether an upper bound improves on another; one that is not finite never does."""
    return bool(new.is_finite()) and not ball.upper(old) <= ball.upper(new)


def _problem(graph: Graph, name: str) -> str:
    node = graph.nodes[name]
    function = node.attrs.get("function", node.op)
    return f"{node.path or '(top level)'}: {function} ({node.target}): {RULES[node.op].needs or 'the gain overflows'}"
