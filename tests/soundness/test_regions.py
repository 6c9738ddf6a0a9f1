"""Regions bounded as a whole, against optimisation; and witnesses that prove too much, all refused."""

import dataclasses
import math
from collections.abc import Iterator
from fractions import Fraction

import pytest
import torch
from flint import arb
from torch import Tensor

from lipcert.bounds.multipliers import front, search_multipliers
from lipcert.bounds.search import SearchProver
from lipcert.certificate.prove import prove, values
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import NORMS
from lipcert.rules.domain import Box as BoxDomain
from lipcert.rules.domain import Domain, Everywhere
from lipcert.rules.entrywise import ENTRYWISE
from lipcert.rules.regions import increments as increments_module
from lipcert.rules.regions import multipliers as multipliers_module
from lipcert.rules.regions import remainder as remainder_module
from lipcert.rules.regions.form import Blocks, factor
from lipcert.rules.regions.increments import Increments, increments
from lipcert.rules.regions.multipliers import Multipliers, prove_multipliers
from lipcert.rules.regions.region import Region, is_member, region_between
from lipcert.rules.regions.remainder import prove_remainder
from lipcert.rules.regions.table import prove_region
from lipcert.rules.table import RULES
from lipcert.rules.types import Array, Fact, Node, Reach
from tests.soundness.attack import Box, everywhere, largest_ratio
from tests.soundness.networks import Network, chain, random_network, random_weight

ROUNDING = 1e-9
METHOD = {"l2": "multipliers", "linf": "remainder"}
SECONDS = 0.2
EVERYWHERE = Everywhere()


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


# Against optimisation and against the product of norms.


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


# Witnesses. A poor one may prove nothing or too much to be useful, never something false.


def witnesses(work: Increments, true_square: float, tries: int, seed: int) -> Iterator[Multipliers]:
    """Random, perturbed and found multipliers; squares round the truth and below; cushions of any size."""
    generator = torch.Generator().manual_seed(seed)
    best = search_multipliers(work, SECONDS)
    found = None if best is None else best[0]
    for _ in range(tries):
        kind, size = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        noise = [torch.randn(n, generator=generator, dtype=torch.float64) for n in work.sizes[1:]]
        if found is None or kind < 0.3:
            values = [10 ** (4 * size - 2) * (0.3 * n).exp() for n in noise]
        else:
            spread = 10 ** (-12 * size)
            values = [v * (spread * n).exp() for v, n in zip(found.values, noise, strict=True)]
        if kind > 0.9:
            values[0][0] = 0.0
        below, cushion = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        yield Multipliers(tuple(values), true_square * (1.05 - 10 ** (-14 * below)), 10 ** (-17 * cushion) / 2.1)


def check_witnesses(graph: Graph, tries: int, seed: int) -> None:
    work = work_of(graph)
    lower = measured(graph, "l2", starts=60, rounds=4, steps=15)
    for witness in witnesses(work, lower**2, tries, seed):
        proved = prove_multipliers(work, witness)
        assert proved is None or lower <= ball.up(proved) * (1 + ROUNDING)


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


@pytest.mark.parametrize("which", range(4))
def test_no_witness_proves_less_than_was_measured(which: int) -> None:
    check_witnesses(sharp_networks()[which], tries=80, seed=which)


@pytest.mark.slow
@pytest.mark.parametrize("which", range(4))
def test_none_of_thousands_of_witnesses_proves_less_than_was_measured(which: int) -> None:
    check_witnesses(sharp_networks()[which], tries=6000, seed=100 + which)


def test_a_witness_for_the_truth_less_a_rounding_is_refused() -> None:
    # y = relu(x): T = 2 and L = 1 make the form singular, and no L below 1 makes it positive.
    network = Network(4)
    work = work_of(network.graph(network.linear(network.function("x", "relu"), torch.eye(4, dtype=torch.float64))))
    values = (torch.full((4,), 2.0, dtype=torch.float64),)
    for bits in range(1, 52):
        for power in range(1, 19):
            square = 1 - 2.0**-bits
            assert prove_multipliers(work, Multipliers(values, square, 10.0**-power)) is None
    assert prove_multipliers(work, Multipliers(values, 1 + 1e-9, 1e-12)) is not None


# Rounding: L² next to the truth, and factors that are not what they should be.


def largest_stretch(matrix: Tensor) -> arb:
    """|Mv|²/|v|² in ball arithmetic, v the float singular vector: below σ_max² by 1e-30 of it or so."""
    v = torch.linalg.svd(matrix)[2][0].tolist()
    rows = [sum((arb(a) * arb(b) for a, b in zip(row, v, strict=True)), arb(0)) for row in matrix.tolist()]
    return sum((y**2 for y in rows), arb(0)) / sum((arb(x) ** 2 for x in v), arb(0))


def close_to(square: float) -> Iterator[tuple[float, float]]:
    """(L², cushion) with L² from a little below the truth to a little above it."""
    for bits in (-53, -52, -51, -49, -46, -40, -30):
        for cushion in (1e-18, 1e-16, 1e-15, 1e-13, 1e-10):
            yield square * (1 - 2.0**bits), cushion
            yield square * (1 + 2.0**bits), cushion


@pytest.mark.parametrize("seed", range(2))
def test_no_matrix_is_proved_smaller_than_a_rigorous_lower_bound(seed: int) -> None:
    network, generator = Network(12), torch.Generator().manual_seed(seed)
    matrix = random_weight(10, 12, generator)
    matrix = matrix if seed else torch.linalg.qr(matrix.T)[0].T  # all singular values nearly the same
    work, truth = work_of(network.graph(network.linear("x", matrix))), largest_stretch(matrix)
    for square, cushion in close_to(float(truth)):
        proved = prove_multipliers(work, Multipliers((), square, cushion))
        assert proved is None or not ball.upper(proved) ** 2 < truth


@pytest.mark.parametrize("seed", range(2))
def test_no_diagonal_network_is_proved_flatter_than_it_is(seed: int) -> None:
    # y = D₂ relu(D₁ x) has L = max d₁d₂, which T = 2/d₁² attains.
    generator, network = torch.Generator().manual_seed(seed), Network(9)
    first = 0.5 + torch.rand(9, generator=generator, dtype=torch.float64)
    second = 1 / first
    bent = network.function(network.linear("x", torch.diag(first)), "relu")
    work = work_of(network.graph(network.linear(bent, torch.diag(second))))
    truth = max(Fraction(a) * Fraction(b) for a, b in zip(first.tolist(), second.tolist(), strict=True))
    for square, cushion in close_to(float(truth**2)):
        proved = prove_multipliers(work, Multipliers((2 / first**2,), square, cushion))
        assert proved is None or not ball.upper(proved) < ball.rational(truth.numerator, truth.denominator)


def wrong_factor(kind: str, blocks: Blocks, count: int) -> Blocks:
    """A factor of another form, or of none."""
    if kind == "of half the sides":  # right on the diagonal, wrong beside it
        return factor({p: b if p[0] == p[1] else b / 2 for p, b in blocks.items()}, count) or {}
    right = factor({**blocks, (count - 1, count - 1): 9 * blocks[count - 1, count - 1]}, count)
    assert right is not None
    if kind == "of another L":
        return right
    if kind == "without sides":
        return {place: block for place, block in right.items() if place[0] == place[1]}
    if kind == "shifted":
        return {place: block + 1e-6 for place, block in right.items()}
    return {place: block * {"zero": 0.0, "NaN": math.nan, "double": 2.0}[kind] for place, block in right.items()}


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize(
    "kind", ["of half the sides", "of another L", "without sides", "shifted", "zero", "NaN", "double"]
)
def test_a_wrong_factor_proves_nothing_false(which: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = sharp_networks()[which]
    work, lower = work_of(graph), measured(graph, "l2", starts=60, rounds=1, steps=8)
    values = front(work)
    assert values is not None
    monkeypatch.setattr(multipliers_module, "factor", lambda blocks, count: wrong_factor(kind, blocks, count))
    for share in (0.9, 0.999):
        for cushion in (1e-12, 1e-9, 1e-4):
            assert prove_multipliers(work, Multipliers(tuple(values), share * lower**2, cushion)) is None


def malformed(work: Increments) -> Iterator[Multipliers]:
    best = search_multipliers(work, SECONDS)
    assert best is not None
    good = best[0]
    for number in (math.nan, math.inf, -math.inf, 0.0, -1.0):
        yield dataclasses.replace(good, square=number)
        yield dataclasses.replace(good, cushion=number)
    for number in (math.nan, math.inf, -1.0, 1e-320, 1e200):
        spoiled = good.values[0].clone()
        spoiled[0] = number
        yield dataclasses.replace(good, values=(spoiled, *good.values[1:]))
    yield dataclasses.replace(good, values=good.values[:-1])
    yield dataclasses.replace(good, values=(*good.values, good.values[0]))
    yield dataclasses.replace(good, values=tuple(value[:-1] for value in good.values))
    yield dataclasses.replace(good, values=tuple(value[:, None] for value in good.values))
    yield dataclasses.replace(good, values=tuple(torch.diag(value) for value in good.values))
    yield dataclasses.replace(good, values=tuple(value * 0 for value in good.values))
    yield dataclasses.replace(good, cushion=0.5)
    yield dataclasses.replace(good, cushion=1e-300)


def test_malformed_witnesses_prove_nothing() -> None:
    work = work_of(chain((3, 4, 2), seed=4))
    refused = [prove_multipliers(work, witness) for witness in malformed(work)]
    assert refused == [None] * len(refused)


def coupled_form(square: float, weight: float) -> Tensor:
    """The form of y = relu(x + 10) - relu(x - 10) with the coupled multiplier that LipSDP once admitted."""
    coupled = weight * torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)
    first, last = torch.ones(2, 1, dtype=torch.float64), torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    side = -(coupled @ first) / 2
    rows = [[torch.eye(1), side.T, torch.zeros(1, 1)], [side, coupled, -last.T],
            [torch.zeros(1, 1), -last, square * torch.eye(1)]]  # fmt: skip
    return torch.cat([torch.cat([part.double() for part in row], 1) for row in rows])


def test_coupled_multipliers_prove_something_false_and_have_no_place_here() -> None:
    network = Network(1)
    offset = torch.tensor([10.0, -10.0], dtype=torch.float64)
    bent = network.function(network.linear("x", torch.ones(2, 1, dtype=torch.float64), offset), "relu")
    graph = network.graph(network.linear(bent, torch.tensor([[1.0, -1.0]], dtype=torch.float64)))
    assert measured(graph, "l2") == pytest.approx(1.0)
    assert float(torch.linalg.eigvalsh(coupled_form(1e-3, weight=2e3)).min()) > -1e-9  # "proves" L² = 0.001
    assert region_bound(graph, "l2", EVERYWHERE) >= 1.0
    coupled = (2e3 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64),)
    assert prove_multipliers(work_of(graph), Multipliers(coupled, 1e-3, 1e-9)) is None


# The attack is strong enough to see a wrong theorem.


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


def test_the_remainder_takes_a_mean_of_both_errors_at_a_maximum() -> None:
    # max(a, b) with |Δa|, |Δb| <= 1 moves by at most 1, whatever is known of their directions.
    network = Network(2)
    name = network.extremum(network.function("x", "abs"), network.function("x", "tanh"))
    graph = network.graph(network.extremum(name, network.function("x", "relu"), "min"))
    region, known = whole(graph, EVERYWHERE, "linf")
    found = prove_remainder(graph.nodes, region, {name: fact.reach for name, fact in known.items()})
    assert found is not None
    assert 1 <= ball.up(found) <= 1 + 1e-12
