"""One proof of a graph's bound: the walks, with the prover that searches."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from flint import arb

from lipcert.bounds.regions import attention_regions, find_regions, folded_steps
from lipcert.bounds.search import SearchProver
from lipcert.certificate.prove import Known, Progress, Proof, Route, Step, prove, route, total, values
from lipcert.graph.graph import Graph
from lipcert.norms.norm import L2, Norm
from lipcert.rules.domain import Domain
from lipcert.rules.types import Fact
from lipcert.stages import stage

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """plain: facts of the operations one by one. steps: those that made a fact smaller, or bound values too."""

    way: Route
    prover: SearchProver
    known: Known
    plain: Mapping[str, Fact]
    proof: Proof
    steps: list[Step]
    upper: arb
    product: arb


def prove_graph(graph: Graph, norm: Norm, domain: Domain, seconds: float, progress: Progress) -> Run:
    """Search for witnesses, and prove with them. Raises UnsupportedError where there is no finite bound."""
    way, prover = route(graph, norm), SearchProver(seconds)
    attention = attention_regions(graph) if way.norm.by_token else []
    with stage(_LOG, "bounding the values"):
        known = values(graph, norm, domain, attention, prover, progress)
    with stage(_LOG, "proving layer by layer"):
        plain = prove(graph, way.norm, known, [], prover, progress).facts
    folded = folded_steps(graph) if way.norm == L2 else []
    steps = [*attention, *find_regions(graph, known.facts, way.norm, attention), *folded]
    prover.share(len(steps))
    with stage(_LOG, f"proving with {len(steps)} regions as a whole"):
        proof = prove(graph, way.norm, known, steps, prover, progress)
    kept = [step for step in steps if step in proof.used or step in attention]
    upper, product = (total(graph, norm, facts) for facts in (proof.facts, plain))
    return Run(way, prover, known, plain, proof, kept, upper, product)
