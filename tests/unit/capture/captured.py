"""Modules captured and traced, and the messages of refusals."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from lipcert.errors import LipcertError
from lipcert.graph.capture import capture, trace
from lipcert.graph.graph import Graph

IMAGE, ROW = torch.rand(1, 4, 6, 6), torch.rand(1, 6)


class Lambda(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


def graph_of(module: nn.Module, *inputs: Tensor, output: str = "", source: str = "") -> Graph:
    return trace(capture(module.eval(), inputs), inputs, output=output, source=source)


def refusal(kind: type[LipcertError], module: nn.Module, *inputs: Tensor, output: str = "", source: str = "") -> str:
    """The message of the refusal and its hint."""
    with pytest.raises(kind) as caught:
        graph_of(module, *inputs, output=output, source=source)
    assert caught.value.hint
    return f"{caught.value.message}\n{caught.value.hint}"


def program_refusal(
    kind: type[LipcertError], program: ExportedProgram, *inputs: Tensor, output: str = "", source: str = ""
) -> str:
    """The same for a module that has been captured, once for several traces."""
    with pytest.raises(kind) as caught:
        trace(program, inputs, output=output, source=source)
    assert caught.value.hint
    return f"{caught.value.message}\n{caught.value.hint}"
