"""Regions bounded as a whole, against optimisation, at all scales; a wrong theorem is caught."""

import dataclasses

import pytest
import torch

from lipcert.bounds.search import SearchProver
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import NORMS
from lipcert.rules.domain import Box as BoxDomain
from lipcert.rules.domain import Domain
from lipcert.rules.entrywise import ENTRYWISE
from lipcert.rules.regions import increments as increments_module
from lipcert.rules.regions import remainder as remainder_module
from lipcert.rules.regions.remainder import prove_remainder
from lipcert.rules.regions.table import prove_region
from lipcert.rules.table import RULES
from lipcert.rules.types import Array, Node, Reach
from tests.soundness.networks import Network, chain, random_network, random_weight
from tests.soundness.region_bounds import (
    EVERYWHERE,
    METHOD,
    ROUNDING,
    SECONDS,
    measured,
    product_bound,
    region_bound,
    whole,
)


def check_region(seed: int, norm: str, domain: Domain) -> None:
    graph = random_network(seed)
    assert measured(graph, norm, domain, rounds=1) <= region_bound(graph, norm, domain) * (1 + ROUNDING)


@pytest.mark.parametrize("norm", METHOD)
@pytest.mark.parametrize("seed", range(5))
def test_no_measured_ratio_exceeds_the_bound_of_a_region(seed: int, norm: str) -> None:
    check_region(seed, norm, EVERYWHERE if seed % 2 else BoxDomain(-1, 1))


@pytest.mark.slow
@pytest.mark.parametrize("norm", METHOD)
@pytest.mark.parametrize("seed", range(5, 120))
def test_no_measured_ratio_exceeds_the_bound_of_many_more_regions(seed: int, norm: str) -> None:
    check_region(seed, norm, EVERYWHERE if seed % 2 else BoxDomain(-1, 1))


@pytest.mark.parametrize("seed", range(20))
def test_in_linf_a_region_is_never_looser_than_the_product(seed: int) -> None:
    graph, domain = random_network(seed), EVERYWHERE if seed % 2 else BoxDomain(-1, 1)
    assert region_bound(graph, "linf", domain) <= product_bound(graph, "linf", domain) * (1 + ROUNDING)


@pytest.mark.parametrize("function", ["relu", "leaky_relu", "gelu", "tanh"])
def test_in_l2_a_chain_is_tighter_than_the_product(function: str) -> None:
    graph = chain((4, 6, 6, 3), seed=1, function=function)
    bound, lower = region_bound(graph, "l2", EVERYWHERE), measured(graph, "l2", rounds=3)
    assert lower <= bound * (1 + ROUNDING)
    assert bound <= 0.8 * product_bound(graph, "l2", EVERYWHERE)


def test_in_l2_a_region_without_bends_is_its_matrix() -> None:
    network, generator = Network(5), torch.Generator().manual_seed(3)
    weights = [random_weight(5, 5, generator) for _ in range(3)]
    name = "x"
    for weight in weights:
        name = network.linear(name, weight)
    graph = network.graph(network.add_up(["x", name], [1.0, 0.5]))
    region, known = whole(graph, EVERYWHERE)
    found = prove_region("matrix", graph.nodes, region, NORMS["l2"], known, SearchProver(SECONDS))
    truth = torch.eye(5, dtype=torch.float64) + 0.5 * weights[2] @ weights[1] @ weights[0]
    assert found is not None
    assert 1 - 1e-14 <= ball.up(found.gain) / float(torch.linalg.matrix_norm(truth, 2)) <= 1 + 1e-6


def test_the_remainder_takes_a_mean_of_both_errors_at_a_maximum() -> None:
    # max(a, b) with |Δa|, |Δb| <= 1 moves by at most 1, whatever is known of their directions.
    network = Network(2)
    name = network.extremum(network.function("x", "abs"), network.function("x", "tanh"))
    graph = network.graph(network.extremum(name, network.function("x", "relu"), "min"))
    region, known = whole(graph, EVERYWHERE, "linf")
    found = prove_remainder(graph.nodes, region, {name: fact.reach for name, fact in known.items()})
    assert found is not None
    assert 1 <= ball.up(found) <= 1 + 1e-12


# Scales at which squares, or the weights themselves, leave the range of floats.


def scaled_chain(factors: tuple[float, ...]) -> Graph:
    generator, network, name = torch.Generator().manual_seed(5), Network(3), "x"
    for i, size in enumerate(factors):
        name = network.function(name, "relu") if i else name
        name = network.linear(name, size * random_weight(3, 3, generator))
    return network.graph(name)


@pytest.mark.parametrize("norm", METHOD)
@pytest.mark.parametrize("domain", [EVERYWHERE, BoxDomain(0, 1)], ids=str)
@pytest.mark.parametrize("factors", [(1e60, 1e-60), (1e-60, 1e60, 1e60), (1e150, 1e150, 1e-150), (1e300, 1e300)])
def test_extreme_scales_prove_nothing_too_small(norm: str, domain: Domain, factors: tuple[float, ...]) -> None:
    graph = scaled_chain(factors)
    lower = measured(graph, norm, domain)
    assert lower <= region_bound(graph, norm, domain) * (1 + ROUNDING)
    assert lower <= product_bound(graph, norm, domain) * (1 + ROUNDING)


@pytest.mark.parametrize("norm", METHOD)
@pytest.mark.parametrize("factors", [(1e-310, 1.0), (1.0, 1e-310), (1e-310, 1e250), (5e-324, 1e300)])
def test_denormal_weights_prove_nothing_too_small(norm: str, factors: tuple[float, ...]) -> None:
    graph = scaled_chain(factors)
    lower = measured(graph, norm, spread=1e30)  # large inputs, so that the attack itself does not underflow
    assert 0 < lower <= region_bound(graph, norm, EVERYWHERE) * (1 + ROUNDING)
    assert lower <= product_bound(graph, norm, EVERYWHERE) * (1 + ROUNDING)


def slopes_between_0_and_1(node: Node, reach: Reach) -> tuple[Array, Array]:
    """What an author believes who takes GELU for a ReLU."""
    return reach.lo * 0, reach.lo * 0 + 1


@pytest.mark.parametrize("norm", METHOD)
@pytest.mark.filterwarnings("ignore:invalid value encountered in multiply:RuntimeWarning")
def test_gelu_with_slopes_from_0_to_1_is_caught(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(2)
    bent = network.function(network.linear("x", torch.ones(3, 2, dtype=torch.float64)), "gelu")
    graph = network.graph(network.linear(bent, torch.ones(1, 3, dtype=torch.float64)))
    domain = BoxDomain(-3, 3)
    lower = measured(graph, norm, domain)
    assert lower <= region_bound(graph, norm, domain)
    wrong = {**RULES, "entrywise": dataclasses.replace(ENTRYWISE, slopes=slopes_between_0_and_1)}
    for module in (increments_module, remainder_module):
        monkeypatch.setattr(module, "RULES", wrong)
    assert lower > 1.1 * region_bound(graph, norm, domain)
