"""Networks that are bounded from what a module returns."""

import torch
from torch import Tensor, nn

from lipcert.errors import InputError, UnsupportedError, UsageError
from lipcert.graph.capture import capture, trace
from tests.unit.capture.captured import graph_of, program_refusal, refusal
from tests.unit.capture.tokens import IDS, Tokens, same


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


def test_what_a_module_returns() -> None:
    network, x = Blocks().eval(), torch.rand(1, 6)
    program = capture(network, (x,))
    graph = trace(program, (x,), output="plain", source="blocks.1")
    assert (graph.path, graph.table, graph.fixed) == ("blocks.1", None, {})
    assert [node.op for node in graph.nodes.values()] == ["input", "linear"]
    y = torch.randn(1, 4)
    same(graph, y, network.blocks[2](y))
    whole = trace(program, (x,), output="plain", source="blocks")
    assert list(whole.nodes) == [whole.output]


def test_a_way_around_the_source_fixes_the_input() -> None:
    network, x = Blocks().eval(), torch.rand(1, 6)
    graph = graph_of(network, x, output="around", source="blocks.1")
    assert list(graph.fixed) == ["x"]
    y = torch.randn(1, 4)
    same(graph, y, network.blocks[2](y) * network.around(x))


def test_modules_that_cannot_be_a_source() -> None:
    x = torch.rand(1, 6)
    program = capture(Blocks().eval(), (x,))
    assert "blocks.1" in program_refusal(UsageError, program, x, output="plain", source="block.1")
    assert "no embedding looks up" in program_refusal(UsageError, program, x, output="plain", source="embedding")
    assert "does not depend on what the module 'around'" in program_refusal(
        UnsupportedError, program, x, output="plain", source="around"
    )
    assert "hands 2 values" in program_refusal(UsageError, program, x, output="twice", source="twice")
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
