"""Attention, rotary positions and norms in the spellings of networks become one node each, and compute the same."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from flint import arb
from torch import Tensor, nn

from lipcert.bounds.search import SearchProver
from lipcert.errors import UnsupportedError
from lipcert.graph.capture import capture, trace
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import L2
from lipcert.rules.table import RULES
from lipcert.rules.types import Fact, Node, Reach
from tests.unit.spellings.activations import ACTIVATIONS, PRODUCTS
from tests.unit.spellings.attention import ATTENTION, KEPT_APART, plain, sdpa
from tests.unit.spellings.norms import NORMS
from tests.unit.spellings.parts import CAUSAL, PADDING, D, Function, SelfAttention, T
from tests.unit.spellings.rotary import TURNS, Rotary, turned

FLOAT32 = 1e-5
"""The tolerance where a network computes a part in float32: over the reals a cast is the identity."""


def points(count: int) -> Tensor:
    return torch.randn(count, T, D, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def graph_of(module: nn.Module, tolerance: float = 1e-12) -> Graph:
    """The graph of a module; it computes the same at other points than those that `trace` compares."""
    module = module.double().eval()
    example = points(1)
    graph = trace(capture(module, (example,)), (example,))
    x = 2 * points(3)
    with torch.no_grad():
        expected = torch.stack([module(one[None]) for one in x])
    torch.testing.assert_close(graph(x).reshape(expected.shape), expected, rtol=tolerance, atol=tolerance)
    return graph


def nodes_of(graph: Graph, op: str) -> list[Node]:
    return [node for node in graph.nodes.values() if node.op == op]


@pytest.mark.parametrize("name", ATTENTION)
def test_every_spelling_of_attention_is_one_node(name: str) -> None:
    module, attrs, consts = ATTENTION[name]
    graph = graph_of(module, FLOAT32 if "float32" in name else 1e-12)
    count = Counter(node.op for node in graph.nodes.values())
    assert count["attention"] == 1
    assert not {"matmul", "softmax", "mask"} & set(count)
    (node,) = nodes_of(graph, "attention")
    assert {key: node.attrs[key] for key in attrs} == attrs
    assert set(node.consts) == consts


def test_torchs_encoder_is_not_exported_as_its_fused_kernel() -> None:
    layer = nn.TransformerEncoderLayer(D, 2, 16, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).requires_grad_(False)
    graph = graph_of(Function(lambda x: encoder(x, src_key_padding_mask=~PADDING), encoder))
    assert [set(node.consts) for node in nodes_of(graph, "attention")] == [{"keep"}, {"keep"}]


def test_keys_are_taken_before_they_are_repeated_and_turned() -> None:
    for name in ("repeated", "sdpa repeated"):
        graph = graph_of(ATTENTION[name][0])
        (node,) = nodes_of(graph, "attention")
        assert [graph.nodes[part].shape for part in node.inputs] == [(1, 2, T, 4), (1, 1, T, 4), (1, 1, T, 4)]
        assert all(graph.nodes[part].size == graph.nodes[graph.nodes[part].inputs[0]].size for part in node.inputs[1:])


def test_constants_of_attention_are_stored_without_repetitions() -> None:
    (node,) = nodes_of(graph_of(ATTENTION["masked fill"][0]), "attention")
    assert node.consts["keep"].shape == (1, 1, T, T)
    assert bool((node.consts["keep"][0, 0] == CAUSAL).all())


@pytest.mark.parametrize("name", KEPT_APART)
def test_what_does_not_match_stays_as_it_is(name: str) -> None:
    graph = graph_of(KEPT_APART[name])
    assert not nodes_of(graph, "attention")
    assert nodes_of(graph, "softmax")


def test_a_scale_that_is_no_single_number_is_carried_with_its_rounding() -> None:
    graph = graph_of(ATTENTION["scaled twice"][0])
    (node,) = nodes_of(graph, "attention")
    scale = graph.nodes[node.inputs[0]]
    assert scale.op == "scale"
    assert scale.attrs == {"ulps": 1}
    assert node.attrs["scale"] == 1
    assert float(scale.consts["factor"]) == pytest.approx(0.21)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("name", TURNS)
def test_every_spelling_of_rotary_positions_is_one_map_of_gain_one(name: str, inside: bool) -> None:
    graph = graph_of(Rotary(TURNS[name], plain, inside=inside))
    mixes = nodes_of(graph, "mix")
    assert len(mixes) == 2
    assert len(nodes_of(graph, "attention")) == 1
    assert not nodes_of(graph, "sum")
    for node in mixes:
        assert graph.nodes[node.inputs[0]].shape == node.shape
        assert node.consts["index"].shape == (2, *node.shape)
        assert l2_gain(node) <= 1 + 1e-7  # the tables are float32


def l2_gain(node: Node) -> float:
    fact = Fact(arb(1), Reach(np.full((), -1.0), np.full((), 1.0)))
    found = RULES[node.op].gain(node, L2, [fact], SearchProver(0.0))
    assert found is not None
    return ball.up(found)


def test_a_rotation_with_exact_tables_has_gain_one() -> None:
    angles = torch.linspace(0, 100, T * D, dtype=torch.float64).reshape(T, D // 2, 2)[..., 0].repeat(1, 2)
    graph = graph_of(Function(lambda x: turned(x, angles.cos(), angles.sin())))
    (node,) = nodes_of(graph, "mix")
    assert 1 <= l2_gain(node) <= 1 + 1e-14


def test_factors_of_two_tables_count_their_roundings() -> None:
    table = torch.linspace(0.1, 1, D, dtype=torch.float64)
    (node,) = nodes_of(graph_of(Function(lambda x: 0.3 * (x * table) + x.flip(-1) * table)), "mix")
    assert node.attrs["ulps"] == 1


def test_sums_that_take_no_two_entries_or_too_many_stay() -> None:
    twice = Function(lambda x: 2 * x + x * torch.arange(D))
    assert not nodes_of(graph_of(twice), "mix")
    many = Function(lambda x: x + x.roll(1, 1) + x.roll(2, 1) + x.roll(3, 1) + x.roll(4, 1))
    terms = [len(node.consts["index"]) for node in nodes_of(graph_of(many), "mix")]
    assert terms == [4]
    shifted = Function(lambda x: (x + 1) + x.roll(1, -1))
    assert not nodes_of(graph_of(shifted), "mix")


@pytest.mark.parametrize("name", NORMS)
def test_norms_written_by_hand_become_the_operation(name: str) -> None:
    function, ops = NORMS[name]
    graph = graph_of(Function(function), FLOAT32 if "float32" in name else 1e-12)
    assert [node.op for node in graph.nodes.values()] == ["input", *ops]
    for node in nodes_of(graph, "normalise"):
        assert node.attrs["features"] == D
        assert node.attrs["eps"] in (1e-5, 1e-6)
        assert node.attrs["centred"] == name.startswith("layer norm")


def test_a_mean_over_another_axis_or_of_another_tensor_is_no_norm() -> None:
    def others(x: Tensor) -> Tensor:
        over_tokens = x - x.mean(1, keepdim=True)
        of_another = x - (2 * x).mean(-1, keepdim=True)
        return over_tokens + of_another * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1)

    assert not {"centre", "normalise"} & {node.op for node in graph_of(Function(others)).nodes.values()}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gates_of_their_own_entry_become_one_function(name: str) -> None:
    function, ops = ACTIVATIONS[name]
    graph = graph_of(Function(function))
    assert [node.attrs.get("function", node.op) for node in graph.nodes.values()] == ["input", *ops]


@pytest.mark.parametrize("name", PRODUCTS)
def test_other_gates_stay_products(name: str) -> None:
    assert len(nodes_of(graph_of(Function(PRODUCTS[name])), "product")) == 1


def test_the_scalings_round_a_function_count_their_roundings() -> None:
    graph = graph_of(Function(ACTIVATIONS["gelu by hand"][0]))
    inner, outer = nodes_of(graph, "scale")
    exact = float(inner.consts["factor"]) * float(outer.consts["factor"])
    assert exact == pytest.approx(1, abs=1e-15)
    assert inner.attrs["ulps"] == outer.attrs["ulps"] >= 4


def test_a_mask_goes_through_scalings_and_moves_to_its_softmax() -> None:
    def masked(x: Tensor) -> Tensor:
        y = 2 * x.masked_fill(torch.eye(T, D) > 0, -math.inf) + 1
        return y[:, :, :4].transpose(1, 2).reshape(1, 8, 3).softmax(1)

    graph = graph_of(Function(masked))
    (soft,) = nodes_of(graph, "softmax")
    expected = (torch.eye(T, D) == 0)[:, :4].T.reshape(1, 8, 3)
    assert bool((soft.consts["keep"].expand(1, 8, 3) == expected).all())


def test_a_mask_that_is_used_twice_reaches_both_softmaxes() -> None:
    def twice(x: Tensor) -> Tensor:
        y = x + torch.zeros(T, D).masked_fill(torch.eye(T, D) > 0, -math.inf)
        return y.softmax(-1) + (3 * y + x.tanh()).softmax(1)

    assert all("keep" in node.consts for node in nodes_of(graph_of(Function(twice)), "softmax"))


@pytest.mark.parametrize(
    ("heads", "reason"),
    [
        (lambda q, k, v: (q @ k.mT).masked_fill(CAUSAL, -math.inf).softmax(-1) @ v, "everywhere"),
        (lambda q, k, v: (q @ k.mT + torch.zeros(T, T).masked_fill(CAUSAL, -math.inf)) @ v, "no softmax takes"),
        (lambda q, k, v: sdpa(q, k, v, ~CAUSAL), "everywhere"),
        (lambda q, k, v: (q @ k.mT).masked_fill(q @ k.mT < 0, -math.inf).softmax(-1) @ v, "jumps"),
        (lambda q, k, v: sdpa(q, k, v, q @ k.mT), "a mask that depends on the input"),
        (lambda q, k, v: sdpa(q, k, v, dropout_p=0.5), "random"),
    ],
)  # fmt: skip
def test_masks_without_a_meaning_are_refused(heads: object, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        graph_of(SelfAttention(heads))  # type: ignore[arg-type]
