"""Exported programs: the inputs that they were made for, dynamic shapes, token ids."""

import io

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim, export

from lipcert.errors import InputError, UnsupportedError, UsageError
from lipcert.graph.capture import capture, operations, trace
from tests.unit.capture.captured import ROW, Lambda, program_refusal
from tests.unit.capture.tokens import IDS, ROWS, WIDTH, Tokens, masked, scaled


def test_inputs_that_an_exported_program_was_not_made_for_are_refused() -> None:
    program = export(nn.Linear(6, 2), (ROW,))
    assert "(1, 7)" in program_refusal(InputError, program, torch.rand(1, 7))
    assert "(6,)" in program_refusal(InputError, program, ROW[0])
    assert "torch.float64" in program_refusal(InputError, program, ROW.double())
    assert "takes 1 inputs, 2 were given" in program_refusal(UsageError, program, ROW, ROW)
    switched = export(Lambda(lambda x, twice: 2 * x if twice else x), (ROW, True))
    assert "no tensors: " in program_refusal(UnsupportedError, switched, ROW, ROW)


def test_a_program_with_dynamic_shapes_is_traced_for_the_shape_given() -> None:
    program = export(nn.Sequential(nn.Linear(6, 2)), (torch.rand(3, 6),), dynamic_shapes=({0: Dim.DYNAMIC},))
    graph = trace(program, (ROW,))
    assert graph.nodes[graph.source].shape == (1, 6)
    assert graph.nodes[graph.output].path == "0"
    assert "(1, 7)" in program_refusal(InputError, program, torch.rand(1, 7))
    widths = export(nn.Softmax(-1), (torch.rand(1, 6),), dynamic_shapes=({1: Dim.DYNAMIC},))
    assert trace(widths, (torch.rand(1, 8),)).nodes["softmax"].attrs["length"] == 8


def test_keyword_and_nested_inputs_keep_their_places() -> None:
    class Nested(nn.Module):
        def forward(self, parts: dict[str, Tensor], *, shift: Tensor) -> Tensor:
            return parts["x"] * parts["scale"] + shift

    fixed = torch.full((6,), 3.0), torch.ones(6)
    program = export(Nested(), ({"x": ROW, "scale": fixed[0]},), {"shift": fixed[1]})
    graph = trace(program, (ROW, *fixed))
    assert len(graph.fixed) == 2
    torch.testing.assert_close(graph(ROW.double())[0], 3 * ROW.double() + 1)


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
