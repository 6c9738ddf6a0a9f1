"""Networks of token ids are bounded from what an embedding looks up."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import export

from lipcert.errors import InputError, LipcertError, UnsupportedError, UsageError
from lipcert.graph.capture import capture, operations, trace
from tests.unit.capture.captured import graph_of, program_refusal, refusal
from tests.unit.capture.tokens import IDS, WIDTH, Tokens, both, same


@pytest.mark.parametrize("source", ["", "embedding", "words"])
def test_token_ids_are_bounded_from_their_embedding(source: str) -> None:
    network = Tokens()
    graph = graph_of(network, IDS, source=source)
    assert (graph.source, graph.path, graph.fixed) == ("embedding", "words", {})
    assert graph.nodes[graph.source].shape == (1, 5, WIDTH)
    assert graph.table is not None
    assert torch.equal(graph.table, network.words.weight)
    assert {"words.weight", "linear.weight"} <= set(graph.weights)
    x = torch.randn(3, 5, WIDTH)
    torch.testing.assert_close(graph(x)[:, 0].float(), network.linear(x).detach(), rtol=1e-5, atol=1e-5)


def test_one_of_several_embeddings_has_to_be_named() -> None:
    network = Tokens(both)
    program = capture(network.eval(), (IDS,))
    for source in ("", "embedding"):
        message = program_refusal(UsageError, program, IDS, source=source)
        assert "2 embeddings look up the inputs: words, places" in message
        assert "--source PATH" in message
    graph = trace(program, (IDS,), source="words")
    assert list(graph.fixed) == ["ids"]
    same(graph, network.words(IDS), network(IDS))


def test_an_embedding_that_is_not_on_the_way_to_the_output_does_not_count() -> None:
    network = Tokens(lambda net, x, ids: (net.linear(x), net.places(ids % 5)))
    program = capture(network.eval(), (IDS,))
    assert trace(program, (IDS,), output="0").path == "words"
    assert trace(program, (IDS,), output="1").path == "places"


def test_the_only_embedding_of_another_input() -> None:
    network = Tokens(lambda net, x, ids, shift: net.linear(x) + shift)

    class Swapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network

        def forward(self, shift: Tensor, ids: Tensor) -> Any:
            return self.net(ids, shift)

    shift = torch.rand(1, 5, WIDTH)
    graph = graph_of(Swapped(), shift, IDS, source="embedding")
    assert (graph.path, list(graph.fixed)) == ("net.words", ["shift"])
    outer = graph_of(Swapped(), shift, IDS)
    assert (outer.source, outer.path, outer.table, list(outer.fixed)) == ("shift", "", None, ["ids"])


def test_an_embedding_alone_is_a_graph_of_one_node() -> None:
    graph = graph_of(nn.Embedding(5, 2), torch.ones(1, 3, dtype=torch.int64))
    assert list(graph.nodes) == [graph.source] == [graph.output]
    assert graph.table is not None


def test_a_module_called_embedding_is_found_where_there_is_no_single_lookup() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = Tokens(both)
            self.head = nn.Linear(WIDTH, 2)

        def forward(self, ids: Tensor) -> Any:
            return self.head(self.embedding(ids))

    graph = graph_of(Named(), IDS, source="embedding")
    assert (graph.path, graph.table, graph.fixed) == ("embedding", None, {})
    assert graph.nodes[graph.source].shape == (1, 5, WIDTH)


def test_a_table_that_is_computed_is_no_vocabulary() -> None:
    network = Tokens()
    network.words = nn.utils.parametrizations.weight_norm(network.words)
    graph = graph_of(network, IDS)
    assert graph.table is None
    same(graph, network.words(IDS), network(IDS))


def test_an_embedding_that_renormalises_is_refused() -> None:
    network = Tokens(max_norm=1.0)
    before = network.words.weight.clone()
    assert "max_norm changes its weight in the forward pass: words" in refusal(UnsupportedError, network, IDS)
    assert torch.equal(network.words.weight, before)
    program = export(network.eval(), (IDS,))
    with pytest.raises(UnsupportedError, match="max_norm"):
        trace(program, (IDS,))
    with pytest.raises(UnsupportedError, match="max_norm"):
        operations(program, (IDS,))


@pytest.mark.parametrize(
    ("inputs", "kind", "words"),
    [
        (IDS.float(), UnsupportedError, "--input ids:T"),
        (IDS + 5, UnsupportedError, "beyond the embedding's rows"),
        (IDS.repeat(2, 1), InputError, "a batch of one"),
    ],
)
def test_inputs_that_are_no_token_ids_of_this_embedding(inputs: Tensor, kind: type[LipcertError], words: str) -> None:
    assert words in refusal(kind, Tokens(), inputs)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (lambda net, x, ids: net.linear.weight[ids % 4], "torch.int64 values, looked up by no embedding"),
        (lambda net, x, ids: net.linear(ids[:, :4].float()), "looked up by no embedding"),
    ],
)
def test_ids_that_no_embedding_looks_up(rest: Callable[..., Any], words: str) -> None:
    message = refusal(UnsupportedError, Tokens(rest), IDS)
    assert words in message
    assert "--source PATH" in message


def test_weights_that_are_no_numbers_are_refused_in_the_table_too() -> None:
    network = Tokens()
    with torch.no_grad():
        network.words.weight[2, 1] = torch.nan
    assert "words.weight" in refusal(InputError, network, IDS)
