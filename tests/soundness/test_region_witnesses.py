"""Witnesses of regions: a poor, wrong or malformed one may prove nothing or too much, never something false."""

import dataclasses
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from lipcert.bounds.multipliers import search_multipliers
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.rules.regions.increments import Increments
from lipcert.rules.regions.multipliers import Multipliers, prove_multipliers
from tests.soundness.networks import Network, chain
from tests.soundness.region_bounds import EVERYWHERE, ROUNDING, SECONDS, measured, region_bound, sharp_networks, work_of


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


@pytest.mark.parametrize("which", range(4))
def test_no_witness_proves_less_than_was_measured(which: int) -> None:
    check_witnesses(sharp_networks()[which], tries=80, seed=which)


@pytest.mark.slow
@pytest.mark.parametrize("which", range(4))
def test_none_of_thousands_of_witnesses_proves_less_than_was_measured(which: int) -> None:
    check_witnesses(sharp_networks()[which], tries=6000, seed=100 + which)


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
