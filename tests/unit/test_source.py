"""Networks that are bounded from a value inside: what an embedding looks up, or what a module returns."""

import io
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, export

from lipcert.errors import InputError, LipcertError, UnsupportedError, UsageError, ViolationError
from lipcert.graph.capture import capture, operations, trace
from lipcert.graph.graph import Graph
from lipcert.graph.lowering.table import LOWER

IDS = torch.tensor([[3, 0, 7, 7, 1]])
ROWS, WIDTH = 9, 4


class Tokens(nn.Module):
    """An embedding and what `rest` makes of its values and of the ids."""

    def __init__(self, rest: Callable[..., Any] = lambda net, x, ids: net.linear(x), **options: Any) -> None:
        super().__init__()
        self.words = nn.Embedding(ROWS, WIDTH, **options)
        self.places = nn.Embedding(5, WIDTH)
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.rest = rest

    def forward(self, ids: Tensor, *others: Tensor) -> Any:
        return self.rest(self, self.words(ids), ids, *others)


class Blocks(nn.Module):
    """Float input, modules inside."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Linear(6, 5), nn.Sequential(nn.ReLU(), nn.Linear(5, 4)), nn.Linear(4, 3))
        self.twice = nn.Linear(3, 3)
        self.around = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.blocks(x)
        return {"plain": y, "twice": self.twice(self.twice(y).relu()), "around": y * self.around(x)}


def graph_of(module: nn.Module, *inputs: Tensor, output: str = "", source: str = "") -> Graph:
    return trace(capture(module.eval(), inputs), inputs, output=output, source=source)


def refusal(kind: type[LipcertError], module: nn.Module, *inputs: Tensor, output: str = "", source: str = "") -> str:
    """The message of the refusal and its hint."""
    with pytest.raises(kind) as caught:
        graph_of(module, *inputs, output=output, source=source)
    assert caught.value.hint
    return f"{caught.value.message}\n{caught.value.hint}"


def same(graph: Graph, x: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(graph(x)[0].float(), expected.detach(), rtol=1e-4, atol=1e-5)


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


def scaled(net: Any, x: Tensor, ids: Tensor) -> Tensor:
    places = net.places(torch.arange(ids.shape[1]) + torch.zeros_like(ids))
    return net.linear(math.sqrt(WIDTH) * x + places) * torch.ones_like(ids)[..., None]  # type: ignore[no-any-return]


def test_positions_scales_and_shapes_of_the_ids_do_not_make_the_ids_part_of_the_claim() -> None:
    network = Tokens(scaled)
    graph = graph_of(network, IDS)
    assert (graph.path, graph.fixed) == ("words", {})
    same(graph, network.words(IDS), network(IDS))


def masked(net: Any, x: Tensor, ids: Tensor) -> Tensor:
    return net.linear(x) * (ids != 0)[..., None]  # type: ignore[no-any-return]


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


def both(net: Any, x: Tensor, ids: Tensor) -> Tensor:
    return net.linear(x + net.places((ids != 1).cumsum(1) - 1))  # type: ignore[no-any-return]


def test_one_of_several_embeddings_has_to_be_named() -> None:
    network = Tokens(both)
    for source in ("", "embedding"):
        message = refusal(UsageError, network, IDS, source=source)
        assert "2 embeddings look up the inputs: words, places" in message
        assert "--source PATH" in message
    graph = graph_of(network, IDS, source="words")
    assert list(graph.fixed) == ["ids"]
    same(graph, network.words(IDS), network(IDS))


def test_an_embedding_that_is_not_on_the_way_to_the_output_does_not_count() -> None:
    network = Tokens(lambda net, x, ids: (net.linear(x), net.places(ids % 5)))
    assert graph_of(network, IDS, output="0").path == "words"
    assert graph_of(network, IDS, output="1").path == "places"


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


def test_what_a_module_returns() -> None:
    network, x = Blocks().eval(), torch.rand(1, 6)
    graph = graph_of(network, x, output="plain", source="blocks.1")
    assert (graph.path, graph.table, graph.fixed) == ("blocks.1", None, {})
    assert [node.op for node in graph.nodes.values()] == ["input", "linear"]
    y = torch.randn(1, 4)
    same(graph, y, network.blocks[2](y))
    whole = graph_of(network, x, output="plain", source="blocks")
    assert list(whole.nodes) == [whole.output]


def test_a_way_around_the_source_fixes_the_input() -> None:
    network, x = Blocks().eval(), torch.rand(1, 6)
    graph = graph_of(network, x, output="around", source="blocks.1")
    assert list(graph.fixed) == ["x"]
    y = torch.randn(1, 4)
    same(graph, y, network.blocks[2](y) * network.around(x))


def test_modules_that_cannot_be_a_source() -> None:
    network, x = Blocks(), torch.rand(1, 6)
    assert "blocks.1" in refusal(UsageError, network, x, output="plain", source="block.1")
    assert "no embedding looks up" in refusal(UsageError, network, x, output="plain", source="embedding")
    assert "does not depend on what the module 'around'" in refusal(
        UnsupportedError, network, x, output="plain", source="around"
    )
    assert "hands 2 values" in refusal(UsageError, network, x, output="twice", source="twice")
    flat = nn.Sequential(nn.Flatten(0), nn.Linear(6, 2))
    assert "the source 'flatten' has shape (6,)" in refusal(InputError, flat, x, source="0").replace("view", "flatten")


def test_a_module_that_returns_several_values_on_the_way_is_no_source() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            values, places = x.max(2, keepdim=True)
            return values, x + places

    network = Tokens(lambda net, x, ids: net.two(x)[0])
    network.two = Two()
    assert graph_of(network, IDS, source="two").nodes.keys() == {"getitem"}
    network.rest = lambda net, x, ids: sum(net.two(x))
    assert "hands 2 values" in refusal(UsageError, network, IDS, source="two")


def test_a_source_of_integers_is_refused() -> None:
    network = Tokens(lambda net, x, ids: net.two(ids)[..., None] * x)
    network.two = nn.Hardtanh(0, 3)
    assert "torch.int64 values, not real" in refusal(UnsupportedError, network, IDS, source="two")


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


def test_a_chaotic_network_behind_an_embedding_is_no_wrong_lowering() -> None:
    torch.manual_seed(0)
    network = Tokens(lambda net, x, ids: net.deep(x))

    class Sine(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(200 * x)

    network.deep = nn.Sequential(*(part for _ in range(5) for part in (nn.Linear(WIDTH, WIDTH), Sine())))
    graph = graph_of(network, IDS)
    assert not torch.allclose(graph(network.words(IDS))[0].float(), network(IDS), atol=0.1)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_programs_of_token_ids_from_a_file(dtype: torch.dtype) -> None:
    ids, file = IDS.to(dtype), io.BytesIO()
    torch.export.save(export(Tokens(scaled).eval(), (ids,)), file)
    file.seek(0)
    graph = trace(torch.export.load(file), (ids,))
    assert (graph.path, graph.fixed) == ("words", {})


def test_programs_whose_example_ids_do_not_exist() -> None:
    program = export(Tokens().eval(), (IDS,))
    graph = trace(program, (IDS + 100,))  # not read: the graph has been compared on other ids
    assert graph.fixed == {}
    with pytest.raises(InputError, match="index out of range"):
        trace(export(Tokens(masked).eval(), (IDS,)), (IDS + 100,))


def test_programs_with_dynamic_lengths() -> None:
    network = nn.Sequential(nn.Embedding(ROWS, WIDTH), nn.Linear(WIDTH, 2)).eval()
    program = export(network, (IDS,), dynamic_shapes=({1: Dim.DYNAMIC},))
    assert trace(program, (IDS[:, :3],)).nodes["embedding"].shape == (1, 3, WIDTH)


def test_operations_from_the_source_on() -> None:
    network = Tokens(lambda net, x, ids: net.linear(x + net.places(torch.arange(5))) * (ids != 0)[..., None])
    program = capture(network.eval(), (IDS,))
    expected = ["aten.add.Tensor", "aten.linear.default", "aten.mul.Tensor"]
    assert [name for name, _ in operations(program, (IDS,))] == expected
    assert [name for name, _ in operations(program, (IDS,), source="linear")] == expected[2:]
