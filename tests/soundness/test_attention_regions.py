"""Attention regions, against optimisation between tokens of a ball and of boxes, in the module itself and between the
ends of the region.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from flint import arb
from torch import Tensor, nn

from lipcert.bounds.regions import attention_regions, find_regions
from lipcert.bounds.search import SearchProver
from lipcert.certificate.prove import Known, Step, prove, route, total, values
from lipcert.graph.capture import capture, trace
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import NORMS, Norm
from lipcert.rules.domain import Box as BoxDomain
from lipcert.rules.domain import Domain, Everywhere
from lipcert.rules.groups import Groups, rows
from lipcert.rules.regions.table import prove_region
from lipcert.rules.types import Fact, Node
from lipcert.rules.walk import gains
from tests.soundness.attack import largest_ratio
from tests.soundness.attention_blocks import SHARP, Attention, Form, Sharp, random_form
from tests.soundness.attention_blocks import Function as Block
from tests.soundness.extremes import longest
from tests.soundness.measure import Box, Function

ROUNDING = 1e-9
SECONDS = 0.05
TOKEN_L2 = NORMS["token-l2"]


@dataclass(frozen=True)
class TokenBall(Everywhere):
    """Every token at most `radius` long: what an attention region knows of its entry."""

    radius: float = 1.0

    def size(self, shape: tuple[int, ...], norm: Norm, table: Tensor | None) -> arb:
        return arb(self.radius)


def graph_of(module: nn.Module, tokens: int, width: int) -> Graph:
    example = torch.zeros(1, tokens, width, dtype=torch.float64)
    return trace(capture(module.eval(), (example,)), (example,))


@cache
def block(form: Form, seed: int) -> tuple[Attention, Graph]:
    module = Attention(form, seed)
    return module, graph_of(module, form.tokens, form.width)


def labels(groups: Groups | None) -> Tensor:
    assert groups is not None
    return torch.from_numpy(groups.full.copy())


def box_of(fact: Fact) -> Box:
    """Where a node's values are known to lie; only where that contains 0 by their size too."""
    lo, hi = (torch.from_numpy(end.copy()) for end in (fact.reach.lo, fact.reach.hi))
    around = bool((lo <= 0).all()) and bool((hi >= 0).all())
    return Box(lo, hi, labels(fact.groups), ball.up(fact.size)) if around else Box(lo, hi)


def spread_of(box: Box) -> float:
    return min(box.radius, float((box.hi - box.lo).max()) / 2)


def measured(
    f: Function,
    box: Box,
    entry: Groups | None,
    exit_: Groups | None,
    *,
    spread: float | None = None,
    starts: int = 10,
    rounds: int = 1,
    steps: int = 8,
) -> float:
    """The largest ratio found, between groups of the output and of the input."""
    return largest_ratio(
        f, [box], labels(exit_), inputs=[labels(entry)], spread=spread or spread_of(box), starts=starts, rounds=rounds,
        steps=steps,
    )  # fmt: skip


def between(graph: Graph, step: Step) -> Function:
    """The region alone, from its entry to its exit."""
    entry, exit_, members = step.region.entry, step.region.exit, step.region.members
    start = Node(entry, "input", (), graph.nodes[entry].shape)
    part = Graph({entry: start, **{name: graph.nodes[name] for name in members}}, entry, exit_, {}, {})
    return lambda inputs: part(inputs[0])


def region_of(graph: Graph) -> Step:
    (step,) = attention_regions(graph)
    return step


def check_region(graph: Graph, known: Known, step: Step, *, slack: float | None, **effort: int) -> float:
    """Gain and size of the region against its own ends; `slack`: how much looser than its operations it may be."""
    facts, entry, exit_ = known.facts, step.region.entry, step.region.exit
    whole = prove_region("attention", graph.nodes, step.region, TOKEN_L2, facts, SearchProver(SECONDS))
    assert whole is not None
    f, box = between(graph, step), box_of(facts[entry])
    found = measured(f, box, facts[entry].groups, facts[exit_].groups, **effort)
    assert found <= ball.up(whole.gain) * (1 + ROUNDING)
    assert longest(f, [box], labels(facts[exit_].groups)) <= ball.up(facts[exit_].size) * (1 + ROUNDING)
    apart = ball.up(gains(graph.nodes, step.region, exit_, facts, SearchProver(SECONDS)))
    if slack is not None:
        assert ball.up(whole.gain) <= apart * (1 + slack)
    return found / ball.up(whole.gain)


def proved(graph: Graph, norm: str, domain: Domain) -> tuple[Known, float]:
    """What is known of the values, and the bound of the whole graph, as `lipcert.bound` finds it."""
    prover, steps = SearchProver(SECONDS), attention_regions(graph)
    known = values(graph, NORMS[norm], domain, steps, prover)
    walked = route(graph, NORMS[norm]).norm
    steps = [*steps, *find_regions(graph, known.facts, walked, steps)]
    facts = prove(graph, walked, known, steps, prover).facts
    return known, ball.up(total(graph, NORMS[norm], facts))


def check_block(form: Form, seed: int, domain: Domain, *, slack: float | None = 1e-5, **effort: int) -> float:
    module, graph = block(form, seed)
    known, bound = proved(graph, "token-l2", domain)
    output = graph.nodes[graph.output].shape
    assert proved(graph, "token-rms", domain)[1] == pytest.approx(bound * math.sqrt(form.width / output[-1]), rel=1e-9)

    def f(inputs: Sequence[Tensor]) -> Tensor:
        y: Tensor = module(inputs[0].squeeze(1))
        return y

    source = known.facts[graph.source]
    found = measured(f, box_of(source), source.groups, rows(output), **effort)
    assert found <= bound * (1 + ROUNDING)
    return check_region(graph, known, region_of(graph), slack=slack, **effort)


BALL = TokenBall(2.0)

PLAIN: dict[str, Form] = {
    "plain": Form(),
    "one head": Form(heads=1, kv_heads=1, head=4, bias=None, causal=True),
    "eight heads": Form(heads=8, kv_heads=8, width=5, scale=1.0),
    "rotary, halves": Form(head=4, positions="halves"),
    "rotary, pairs, grouped": Form(head=4, kv_heads=1, positions="pairs", norm="rms", fused=True),
    "layer norm": Form(norm="layer", fused=True),
    "normalised heads": Form(heads_norm=True, positions="halves", norm="rms"),
    "ALiBi": Form(alibi=True, causal=True, heads=3, kv_heads=3),
    "no output layer": Form(output=False, fused=True, heads=3, kv_heads=3, width=4),
}

ADVERSARIAL: dict[str, Form] = {
    "huge biases and rotary": Form(head=4, positions="halves", bias=50.0, query=0.3, key=0.3),
    "keys far from the origin": Form(bias=0.1, key_bias=1e4),
    "a head of zeros": Form(heads=3, kv_heads=3, sizes=(0.0, 1.0, 2.0)),
    "no head but zeros": Form(sizes=(0.0, 0.0)),
    "heads of rank one": Form(head=4, rank=1, bias=None),
    "heads of very different sizes": Form(heads=4, kv_heads=4, sizes=(1e-3, 1.0, 1e3, 1e-6), query=0.01),
    "a negative scale": Form(scale=-1.0, causal=True),
    "tables that are no rotation": Form(head=4, positions="no rotation", causal=True),
    "half of a key from another token": Form(moved="keys shifted", bias=0.1),
    "heads with queries of different tokens": Form(moved="heads rolled", bias=None),
    "two queries a token": Form(moved="queries twice", heads=1, kv_heads=1, scale=0.1),
    "logits filled with a constant": Form(moved="logits filled", key_bias=30.0),
}


@pytest.mark.parametrize("name", PLAIN)
def test_no_measured_ratio_exceeds_the_bound_of_attention(name: str) -> None:
    assert check_block(PLAIN[name], 1, BALL) > 0.01


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_no_measured_ratio_exceeds_the_bound_of_odd_attention(name: str) -> None:
    check_block(ADVERSARIAL[name], 2, BALL, slack=None)


@pytest.mark.parametrize("ends", [(-1, 1), (3, 4)], ids=str)
def test_no_measured_ratio_exceeds_the_bound_of_attention_on_a_box(ends: tuple[int, int]) -> None:
    check_block(PLAIN["plain"], 1, BoxDomain(*ends), slack=None)


def longest_token(x: Tensor) -> float:
    return float(x.norm(dim=-1).max())


@pytest.mark.parametrize("build", SHARP, ids=lambda build: str(build.__name__))
def test_what_tokens_share_is_counted(build: Callable[[], Sharp]) -> None:
    """Each of these moves as far as the theorem allows: counted for one token it is √2 too little, or nothing."""
    sharp = build()
    graph = graph_of(Block(sharp.function), *sharp.point.shape[1:])
    step = 1e-4 * sharp.direction
    ends = [sharp.point + step, sharp.point - step]
    radius = max(longest_token(end) for end in ends)
    assert radius <= sharp.radius * (1 + 1e-6)
    _, bound = proved(graph, "token-l2", TokenBall(radius))
    moved = longest_token(sharp.function(ends[0]) - sharp.function(ends[1])) / longest_token(2 * step)
    assert 0.99 * sharp.slope <= moved <= bound * (1 + ROUNDING)
    assert moved >= 0.45 * bound


def test_a_rotation_with_the_sine_first_has_a_region_too() -> None:
    assert check_block(Form(head=4, positions="pairs, sine first"), 1, BALL) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("radius", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("seed", range(60))
def test_no_measured_ratio_exceeds_the_bounds_of_many_more_attentions(seed: int, radius: float) -> None:
    check_block(random_form(seed), seed, TokenBall(radius), slack=None, starts=16, rounds=2, steps=12)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PLAIN, *ADVERSARIAL])
@pytest.mark.parametrize("seed", range(3, 7))
def test_no_measured_ratio_exceeds_the_bounds_of_odd_attentions_with_many_weights(seed: int, name: str) -> None:
    form = (PLAIN | ADVERSARIAL)[name]
    for domain in (TokenBall(0.3), TokenBall(5.0), BoxDomain(0, 1)):
        check_block(replace(form, scale=form.scale * 0.5**seed), seed, domain, slack=None, starts=16, rounds=2)
