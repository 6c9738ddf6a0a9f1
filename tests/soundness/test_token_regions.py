"""Regions that map every token alike, bounded as the map of one token: attacked token by token, and refused where
tokens are mixed or mapped differently.
"""

import math
from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from lipcert.bounds.search import SearchProver
from lipcert.certificate.prove import values
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import NORMS
from lipcert.rules.domain import Box, Domain, Everywhere
from lipcert.rules.regions.region import region_between
from lipcert.rules.regions.table import prove_region
from tests.soundness.attention_blocks import Function
from tests.soundness.test_attention_regions import TokenBall, box_of, graph_of, measured

ROUNDING = 1e-9
TOKENS, WIDTH, HIDDEN = 2, 3, 5
TOKEN_L2 = NORMS["token-l2"]


class Scaling(SearchProver):
    """A prover with this diagonal for every midrad region."""

    def __init__(self, diagonal: Callable[[int], Tensor]) -> None:
        super().__init__(0.2)
        self._diagonal = diagonal

    def scaling(self, key: str, left: Tensor, right: Tensor) -> Tensor:
        return self._diagonal(left.shape[1])


class MLP(nn.Module):
    """a·x + b·W₂ φ(W₁ (γ ⊙ x) + offset): of every token."""

    def __init__(self, seed: int, act: Callable[[Tensor], Tensor], skip: float = 1.0, share: float = 1.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first, self.last = nn.Linear(WIDTH, HIDDEN).double(), nn.Linear(HIDDEN, WIDTH).double()
        for layer in (self.first, self.last):
            for part in layer.parameters():
                part.data = torch.randn(part.shape, generator=generator, dtype=torch.float64)
        self.factor = nn.Parameter(torch.randn(WIDTH, generator=generator, dtype=torch.float64))
        self.act, self.skip, self.share = act, skip, share

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.last(self.act(self.first(x * self.factor)))
        return self.skip * x + self.share * branch


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": nn.functional.gelu,
    "leaky": lambda x: nn.functional.leaky_relu(x, -0.4),
    "abs": torch.abs,
    "silu": nn.functional.silu,
    "tanh": torch.tanh,
}


@cache
def mlp(seed: int, activation: str) -> Graph:
    generator = torch.Generator().manual_seed(seed)
    skip, share = torch.randn(2, generator=generator).tolist()
    return graph_of(MLP(seed, ACTIVATIONS[activation], skip, share), TOKENS, WIDTH)


def bound(graph: Graph, method: str, domain: Domain, prover: SearchProver | None = None) -> float | None:
    """Of the whole graph as one region; None where the method proves nothing."""
    prover = prover or SearchProver(0.2)
    region = region_between(graph.nodes, graph.source, graph.output)
    assert region is not None
    facts = values(graph, TOKEN_L2, domain, [], prover).facts
    whole = prove_region(method, graph.nodes, region, TOKEN_L2, facts, prover)
    return None if whole is None else ball.up(whole.gain)


def attacked(graph: Graph, domain: Domain, **effort: int) -> float:
    facts = values(graph, TOKEN_L2, domain, [], SearchProver(0.0)).facts
    box, entry, exit_ = box_of(facts[graph.source]), facts[graph.source].groups, facts[graph.output].groups
    spread = None if math.isfinite(box.radius) or bool(torch.isfinite(box.hi).all()) else 3.0
    return measured(lambda inputs: graph(inputs[0]), box, entry, exit_, spread=spread, **effort)


DOMAINS: tuple[Domain, ...] = (Everywhere(), TokenBall(1.5), Box(-1, 1), Box(0, 1))


def check_mlp(seed: int, activation: str, domain: Domain, **effort: int) -> None:
    graph = mlp(seed, activation)
    found, whole = attacked(graph, domain, **effort), bound(graph, "multipliers", domain)
    middle = bound(graph, "midrad", domain)
    assert middle is not None
    assert found <= middle * (1 + ROUNDING)
    assert whole is None or found <= whole * (1 + ROUNDING)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_no_measured_ratio_exceeds_the_bound_of_an_mlp_with_its_skip(activation: str) -> None:
    check_mlp(1, activation, DOMAINS[len(activation) % 4])


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("seed", range(2, 8))
def test_no_measured_ratio_exceeds_the_bounds_of_many_more_mlps(seed: int, activation: str, domain: Domain) -> None:
    check_mlp(seed, activation, domain, starts=24, rounds=2, steps=12)


@pytest.mark.parametrize("method", ["multipliers", "midrad"])
def test_a_token_of_an_mlp_is_bounded_as_if_it_were_alone(method: str) -> None:
    many, one = mlp(3, "relu"), graph_of(MLP(3, torch.relu, *_shares(3)), 1, WIDTH)
    found = [bound(graph, method, Box(-1, 1)) for graph in (many, one)]
    assert found[0] == pytest.approx(found[1], rel=1e-2)


def _shares(seed: int) -> list[float]:
    shares: list[float] = torch.randn(2, generator=torch.Generator().manual_seed(seed)).tolist()
    return shares


def random_scaling(seed: int, spread: float) -> Callable[[int], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda size: (spread * torch.randn(size, generator=generator, dtype=torch.float64)).exp()


@pytest.mark.parametrize("seed", range(6))
def test_no_scaling_proves_less_than_was_measured(seed: int) -> None:
    graph, domain = mlp(1, "gelu"), DOMAINS[1]
    lower = attacked(graph, domain, starts=20, rounds=2)
    proved = bound(graph, "midrad", domain, Scaling(random_scaling(seed, spread=3.0**seed)))
    assert proved is None or lower <= proved * (1 + ROUNDING)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf, 1e-200, 1e200])
def test_a_scaling_that_is_none_proves_nothing(wrong: float) -> None:
    def spoiled(size: int) -> Tensor:
        return torch.cat([torch.tensor([wrong], dtype=torch.float64), torch.ones(size - 1, dtype=torch.float64)])

    assert bound(mlp(1, "gelu"), "midrad", DOMAINS[1], Scaling(spoiled)) is None
    for size in (lambda n: n + 1, lambda n: n - 1, lambda n: 1):
        short = Scaling(lambda n, size=size: torch.ones(size(n), dtype=torch.float64))  # type: ignore[misc]
        assert bound(mlp(1, "gelu"), "midrad", DOMAINS[1], short) is None


# Maps that treat tokens differently, or mix them: None, or at least what is measured.

_W = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
_P = torch.randn(TOKENS, WIDTH, generator=torch.Generator().manual_seed(6), dtype=torch.float64)


def linear(x: Tensor) -> Tensor:
    return nn.functional.linear(x, _W)


MIXED: dict[str, Callable[[Tensor], Tensor]] = {
    "places added": lambda x: x + linear(torch.relu(linear(x) + 3 * _P)),
    "places multiplied": lambda x: x + linear(torch.relu(linear(x) * _P)),
    "tokens turned round": lambda x: x + linear(torch.relu(linear(x.flip(1)))),
    "two orders of tokens added": lambda x: linear(x).flip(1) + torch.relu(linear(x)),
    "tokens averaged": lambda x: x + torch.relu(linear(x)).mean(1, keepdim=True),
    "features of two tokens": lambda x: torch.relu(
        linear(torch.cat([x[..., :1], torch.cat([x[:, -1:, 1:], x[:, :-1, 1:]], 1)], -1))
    ),
    "tokens transposed": lambda x: torch.relu(x.transpose(1, 2).reshape(len(x), TOKENS, WIDTH)) + x,
    "tokens joined": lambda x: torch.relu(x.reshape(len(x), 1, TOKENS * WIDTH)) + x.reshape(len(x), 1, TOKENS * WIDTH),
    "tokens repeated": lambda x: torch.relu(linear(x)).repeat_interleave(2, 1),
    "features repeated": lambda x: torch.relu(linear(torch.cat([x, x], -1)[..., :WIDTH])) + x[..., [1, 1, 1]],
    "constants beside tokens": lambda x: torch.relu(nn.functional.pad(linear(x), (0, 0, 0, 1))),
    "a slope a token": lambda x: torch.stack([torch.relu(x[:, 0]), x[:, 1].abs() * 3], 1),
    "a token twice": lambda x: torch.cat([x, x[:, :1]], 1).relu(),
}


def check_mixed(name: str, domain: Domain, **effort: int) -> None:
    graph = graph_of(Function(MIXED[name]), TOKENS, WIDTH)
    lower = attacked(graph, domain, **effort)
    for method in ("multipliers", "midrad", "matrix"):
        proved = bound(graph, method, domain)
        assert proved is None or lower <= proved * (1 + ROUNDING)


@pytest.mark.parametrize("name", MIXED)
def test_regions_that_mix_tokens_prove_nothing_too_small(name: str) -> None:
    check_mixed(name, TokenBall(2.0), starts=8, steps=4)


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS, ids=str)
@pytest.mark.parametrize("name", MIXED)
def test_regions_that_mix_tokens_prove_nothing_too_small_under_a_longer_attack(name: str, domain: Domain) -> None:
    check_mixed(name, domain, starts=30, rounds=3, steps=15)
