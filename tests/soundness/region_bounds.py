"""The bound of a network that is one region, the product of its norms, and the largest ratio that an attack finds."""

import math

import torch

from lipcert.bounds.search import SearchProver
from lipcert.certificate.prove import prove, values
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import NORMS
from lipcert.rules.domain import Box as BoxDomain
from lipcert.rules.domain import Domain, Everywhere
from lipcert.rules.regions.increments import Increments, increments
from lipcert.rules.regions.region import Region, is_member, region_between
from lipcert.rules.regions.table import prove_region
from lipcert.rules.types import Fact
from tests.soundness.attack import Box, everywhere, largest_ratio
from tests.soundness.networks import Network, chain, random_weight

SECONDS = 0.2

METHOD = {"l2": "multipliers", "linf": "remainder"}

EVERYWHERE = Everywhere()

ROUNDING = 1e-9


def whole(graph: Graph, domain: Domain, norm: str = "l2") -> tuple[Region, dict[str, Fact]]:
    """The region from source to output, and the values on the domain."""
    known = values(graph, NORMS[norm], domain, [], SearchProver(SECONDS)).facts
    region = region_between(graph.nodes, graph.source, graph.output)
    assert region is not None
    reach = {name: fact.reach for name, fact in known.items()}
    assert all(is_member(graph.nodes[name], reach) for name in region.members)
    return region, known


def region_bound(graph: Graph, norm: str, domain: Domain) -> float:
    region, known = whole(graph, domain, norm)
    found = prove_region(METHOD[norm], graph.nodes, region, NORMS[norm], known, SearchProver(SECONDS))
    return math.inf if found is None else ball.up(found.gain)


def product_bound(graph: Graph, norm: str, domain: Domain) -> float:
    prover = SearchProver(SECONDS)
    proof = prove(graph, NORMS[norm], values(graph, NORMS[norm], domain, [], prover), [], prover)
    return ball.up(proof.facts[graph.output].gain)


def measured(
    graph: Graph,
    norm: str,
    domain: Domain = EVERYWHERE,
    *,
    spread: float = 2.0,
    **effort: int,
) -> float:
    shape = graph.nodes[graph.source].shape
    box = everywhere(shape)
    if isinstance(domain, BoxDomain):
        ends = [torch.full(shape, float(end), dtype=torch.float64) for end in (domain.low, domain.high)]
        box = Box(*ends)
    return largest_ratio(lambda inputs: graph(inputs[0]), [box], norm, spread=spread, **effort)


def work_of(graph: Graph, domain: Domain = EVERYWHERE) -> Increments:
    region, known = whole(graph, domain)
    return increments(graph.nodes, region, {name: fact.reach for name, fact in known.items()})


def sharp_networks() -> list[Graph]:
    """Networks whose least provable L is the truth, or near it."""
    nonnegative = Network(3)
    generator = torch.Generator().manual_seed(11)
    bent = nonnegative.function(nonnegative.linear("x", random_weight(4, 3, generator).abs()), "relu")
    identity = Network(3)
    leaning = Network(2)
    skip = leaning.function(leaning.linear("x", random_weight(2, 2, generator)), "gelu")
    return [
        nonnegative.graph(nonnegative.linear(bent, random_weight(2, 4, generator).abs())),
        identity.graph(identity.linear(identity.function("x", "relu"), torch.eye(3, dtype=torch.float64))),
        leaning.graph(leaning.linear(leaning.add_up(["x", skip], [1.0, 1.0]), random_weight(2, 2, generator))),
        chain((2, 3, 2), seed=2),
    ]
