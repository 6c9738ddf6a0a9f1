"""Which inputs a claim is about: those that are read beside the source."""

from typing import Any

import torch
from torch import Tensor

from tests.unit.capture.captured import graph_of
from tests.unit.capture.tokens import IDS, WIDTH, Tokens, masked, same, scaled


def test_positions_scales_and_shapes_of_the_ids_do_not_make_the_ids_part_of_the_claim() -> None:
    network = Tokens(scaled)
    graph = graph_of(network, IDS)
    assert (graph.path, graph.fixed) == ("words", {})
    same(graph, network.words(IDS), network(IDS))


def test_a_mask_made_of_the_ids_makes_them_part_of_the_claim() -> None:
    network = Tokens(masked)
    graph = graph_of(network, IDS)
    assert {name: value.tolist() for name, value in graph.fixed.items()} == {"ids": IDS.tolist()}
    same(graph, network.words(IDS), network(IDS))
    x = torch.randn(1, 5, WIDTH)
    same(graph, x, network.linear(x) * (IDS != 0)[..., None])


def filled(net: Any, x: Tensor, ids: Tensor) -> Tensor:
    return net.linear(x) + torch.full_like(ids, 2)[..., None] * ids.new_full((WIDTH,), 3.0)  # type: ignore[no-any-return]


def test_constants_like_the_ids_do_not_depend_on_them() -> None:
    assert graph_of(Tokens(filled), IDS).fixed == {}


def test_other_inputs_belong_to_the_claim_where_they_are_read() -> None:
    mask = torch.tensor([[1.0, 1.0, 0.5, 0.0, 1.0]])
    network = Tokens(lambda net, x, ids, mask, unused: net.linear(x) * mask[..., None])
    graph = graph_of(network, IDS, mask, mask)
    assert len(graph.fixed) == 1
    assert torch.equal(next(iter(graph.fixed.values())), mask)
    same(graph, network.words(IDS), network(IDS, mask, mask))
