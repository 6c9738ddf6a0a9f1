"""Inputs, outputs and weights that cannot be are refused; those that can keep their names."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lipcert.errors import InputError, LipcertError, UnsupportedError, UsageError
from lipcert.graph.capture import capture, trace
from tests.unit.capture.captured import ROW, Lambda, graph_of, program_refusal, refusal


def with_weight(value: float) -> nn.Module:
    network = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        network[2].weight[1, 1] = value
    return network


@pytest.mark.parametrize(
    ("module", "inputs", "kind", "words"),
    [
        (nn.Linear(5, 2), (ROW,), UnsupportedError, "(1, 6)"),
        (nn.Linear(6, 2), (ROW, ROW), UnsupportedError, "cannot be captured"),
        (nn.Linear(6, 2), (torch.rand(2, 6),), InputError, "a batch of one"),
        (Lambda(torch.relu), (torch.tensor(1.0),), InputError, "a batch of one"),
        (Lambda(lambda x: x.float()), (torch.ones(1, 3, dtype=torch.int64),), UnsupportedError, "torch.int64"),
        (Lambda(torch.abs), (torch.ones(1, 3, dtype=torch.complex64),), UnsupportedError, "torch.complex64"),
        (Lambda(lambda x: torch.ones(1, 2)), (ROW,), UnsupportedError, "does not depend on the source"),
        (Lambda(lambda x: torch.zeros_like(x)), (ROW,), UnsupportedError, "does not depend on the source"),
        (Lambda(lambda x, y: 2 * y), (ROW, ROW), UnsupportedError, "does not depend on the source"),
        (Lambda(lambda x: x[:, :0]), (ROW,), UnsupportedError, "without entries"),
        (Lambda(lambda x: torch.log(x - 9)), (ROW,), InputError, "not finite"),
        (with_weight(torch.nan), (ROW,), InputError, "2.weight"),
        (with_weight(torch.inf), (ROW,), InputError, "2.weight"),
    ],
)
def test_inputs_outputs_and_weights_that_cannot_be(
    module: nn.Module, inputs: tuple[Tensor, ...], kind: type[LipcertError], words: str
) -> None:
    assert words in refusal(kind, module, *inputs)


def test_one_of_several_outputs_has_to_be_named() -> None:
    network = Lambda(lambda x: {"a": x, "b": [2 * x, None, 3]})
    program = capture(network.eval(), (ROW,))
    assert "4 outputs" in program_refusal(UsageError, program, ROW)
    assert "no output 'c'" in program_refusal(UsageError, program, ROW, output="c")
    assert "does not depend" in program_refusal(UnsupportedError, program, ROW, output="b.1")
    graph = trace(program, (ROW,), output="b.0")
    torch.testing.assert_close(graph(ROW.double())[0], 2 * ROW.double())


@pytest.mark.parametrize("outputs", [lambda x: {"a.b": x, "a": {"b": 2 * x}}, lambda x: {0: x, "0": 2 * x}])
def test_outputs_with_the_same_name_are_refused(outputs: Callable[..., Any]) -> None:
    assert "same name" in refusal(UnsupportedError, Lambda(outputs), ROW, output="a.b")


def test_the_input_as_output_is_a_graph_of_one_node() -> None:
    graph = graph_of(Lambda(lambda x: (x, 2 * x)), ROW, output="0")
    assert list(graph.nodes) == [graph.source] == [graph.output]
