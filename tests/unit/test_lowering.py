"""Every exported operation that is lowered computes what torch computes, and no pair of points beats its bound."""

import operator
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from lipcert.bounds.search import SearchProver
from lipcert.certificate.prove import prove, route, total, values
from lipcert.graph.capture import capture, lower
from lipcert.graph.graph import Graph
from lipcert.graph.lowering.table import LOWER
from lipcert.graph.program import behind, find_output, functional
from lipcert.norms import ball
from lipcert.norms.norm import NORMS
from lipcert.rules.domain import Box
from tests.unit.lowering.families import FAMILIES
from tests.unit.lowering.inputs import SHAPE

CASES = [(family, place) for family, rows in FAMILIES.items() for place in range(len(rows))]
NAMES = [f"{FAMILIES[family][place][0]}-{place}" for family, place in CASES]
LOW, HIGH = -3, 3


class _Family(nn.Module):
    """All functions of a family in one network, so that it is exported once."""

    def __init__(self, family: str) -> None:
        super().__init__()
        self.functions = [function for _, function in FAMILIES[family]]
        self.parts = nn.ModuleList(f for f in self.functions if isinstance(f, nn.Module))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [function(x) for function in self.functions]


def _points(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, *SHAPE[1:], generator=generator, dtype=torch.float64)
    return x.clamp(LOW, HIGH)


@cache
def _program(family: str) -> ExportedProgram:
    example = _points(1, seed=0)
    return functional(capture(_Family(family).eval(), (example,)), (example,))


@cache
def _expected(family: str) -> list[list[Tensor]]:
    """The outputs of the network itself for three inputs, one after the other."""
    network = _Family(family).eval()
    with torch.no_grad():
        return [network(x[None]) for x in _points(3, seed=1)]


@cache
def _lowered(family: str, place: int) -> tuple[Graph, set[str]]:
    program = _program(family)
    _, name = find_output(program, str(place))
    targets = {"getitem" if fx.target is operator.getitem else str(fx.target) for fx in behind(program, name)}
    return lower(program, (_points(1, seed=0),), name), targets


def test_every_lowering_has_a_row_here() -> None:
    assert {key for rows in FAMILIES.values() for key, _ in rows} == set(LOWER)


@pytest.mark.parametrize(("family", "place"), CASES, ids=NAMES)
def test_the_graph_computes_what_the_network_computes(family: str, place: int) -> None:
    graph, targets = _lowered(family, place)
    assert FAMILIES[family][place][0] in targets
    here = graph(_points(3, seed=1))
    for got, outputs in zip(here, _expected(family), strict=True):
        assert got.shape == outputs[place].shape
        # float32 is passed through in one row: over the reals a cast is the identity
        tolerance = 1e-6 if "aten._to_copy.default" in targets else 1e-12
        torch.testing.assert_close(got, outputs[place], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("family", "place"), CASES, ids=NAMES)
def test_values_and_differences_stay_within_what_is_proved(family: str, place: int) -> None:
    graph, _ = _lowered(family, place)
    x, y = _points(40, seed=3), _points(40, seed=4)
    y[20:] = (x[20:] + 1e-3 * y[20:]).clamp(LOW, HIGH)
    outputs = graph(x)
    difference, prover = outputs - graph(y), SearchProver(0.0)
    for norm in (norm for norm in NORMS.values() if outputs.dim() > 1 or not norm.by_token):
        known = values(graph, norm, Box(LOW, HIGH), [], prover)
        reach = known.facts[graph.output].reach
        assert (reach.lo <= outputs.numpy()).all()
        assert (outputs.numpy() <= reach.hi).all()
        gain = total(graph, norm, prove(graph, route(graph, norm).norm, known, [], prover).facts)
        assert float((norm.of(difference) / norm.of(x - y)).max()) <= ball.up(gain) * (1 + 1e-9)
