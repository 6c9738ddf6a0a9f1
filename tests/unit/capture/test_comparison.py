"""A graph that computes something else than the network is noticed; rounding alone is nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipcert.errors import ViolationError
from lipcert.graph.lowering.table import LOWER
from tests.unit.capture.captured import Lambda, graph_of, refusal
from tests.unit.capture.tokens import IDS, WIDTH, Tokens, masked


def test_a_wrong_lowering_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**LOWER, "aten.leaky_relu.default": LOWER["aten.relu.default"]}  # the same where x >= 0
    monkeypatch.setattr("lipcert.graph.capture.LOWER", wrong)
    assert "does not compute" in refusal(ViolationError, nn.Sequential(nn.LeakyReLU()), torch.rand(1, 6))


@pytest.mark.parametrize(
    "rest", [lambda net, x, ids: F.leaky_relu(x), lambda net, x, ids: F.leaky_relu(x) * (ids > 0)[..., None]]
)
def test_a_wrong_lowering_behind_the_source_is_noticed(
    rest: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {**LOWER, "aten.leaky_relu.default": LOWER["aten.relu.default"]}
    monkeypatch.setattr("lipcert.graph.capture.LOWER", wrong)
    network = Tokens(rest)
    with torch.no_grad():
        network.words.weight.abs_()  # so that only values in the place of the source's show it
    assert "does not compute" in refusal(ViolationError, network, IDS)


def test_a_wrong_dependency_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that matter and are not named as fixed: other ids give them away."""
    monkeypatch.setattr("lipcert.graph.capture.values_read", lambda *_: set())
    assert "does not compute" in refusal(ViolationError, Tokens(masked), IDS)


def test_a_chaotic_network_is_no_wrong_lowering() -> None:
    """Sines of large arguments: float32 and float64 have nothing in common after five layers."""
    torch.manual_seed(0)
    layers = [part for _ in range(5) for part in (nn.Linear(32, 32), Lambda(lambda x: torch.sin(200 * x)))]
    network = nn.Sequential(*layers).eval()
    x = torch.rand(1, 32)
    graph = graph_of(network, x)
    assert not torch.allclose(graph(x)[0].float(), network(x), atol=0.1)
    torch.testing.assert_close(graph(x)[0], network.double()(x.double()).detach(), rtol=1e-4, atol=1e-4)


def test_a_chaotic_network_behind_an_embedding_is_no_wrong_lowering() -> None:
    torch.manual_seed(0)
    network = Tokens(lambda net, x, ids: net.deep(x))

    class Sine(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(200 * x)

    network.deep = nn.Sequential(*(part for _ in range(5) for part in (nn.Linear(WIDTH, WIDTH), Sine())))
    graph = graph_of(network, IDS)
    assert not torch.allclose(graph(network.words(IDS))[0].float(), network(IDS), atol=0.1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rms_norm_without_eps_takes_that_of_the_type_it_computes_in(dtype: torch.dtype) -> None:
    x = torch.rand(1, 6, dtype=dtype)
    graph = graph_of(nn.RMSNorm(6).to(dtype), x)
    node = next(node for node in graph.nodes.values() if node.op == "normalise")
    assert node.attrs["eps"] == torch.finfo(torch.float32).eps
    tiny = torch.full((1, 6), 1e-3, dtype=dtype)
    torch.testing.assert_close(graph(tiny)[0].to(dtype), F.rms_norm(tiny, (6,)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_nearest_neighbours_are_those_of_the_type_that_is_computed_in(dtype: torch.dtype) -> None:
    """2 → 82: float32 rounds to another neighbour than float64, which changes the norm."""
    x = torch.rand(1, 1, 2).to(dtype)
    graph = graph_of(Lambda(lambda x: F.interpolate(x, size=82)), x)
    assert torch.equal(graph(x)[0].to(dtype), F.interpolate(x, size=82))
