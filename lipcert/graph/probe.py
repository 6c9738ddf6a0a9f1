"""An exported program run for comparison: with the value of its source, which may lie inside it, read or replaced."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node as FxNode
from torch.utils import _pytree as pytree

from lipcert.graph.program import Inputs, arguments, quiet, runner, user_inputs, weights


@dataclass(frozen=True)
class Probe:
    """Inputs to run a program on, and a value to put in the place of the source's where that lies inside."""

    inputs: Inputs
    replaced: Tensor | None = None


Run = Callable[[Probe, bool], tuple[Tensor, list[Any]]]
"""(probe, whether every float is made a float64) → the value of the source, and the outputs in order."""


def from_input(program: ExportedProgram) -> Run:
    """Runs of a program whose source is its first input."""
    plain = runner(program)

    def run(probe: Probe, double: bool) -> tuple[Tensor, list[Any]]:
        return probe.inputs[0], _in_float64(program, probe.inputs) if double else plain(probe.inputs)

    return run


def from_inside(program: ExportedProgram, source: str) -> Run:
    """Runs of a functional program whose source is the value of this name."""
    stored = {name: value for name, (_, value) in weights(program).items()}
    placeholders = [fx.name for fx in program.graph.nodes if fx.op == "placeholder"]

    def run(probe: Probe, double: bool) -> tuple[Tensor, list[Any]]:
        values = stored | dict(zip(user_inputs(program), probe.inputs, strict=True))
        given: list[Tensor | None] = [values.get(name) for name in placeholders]  # None: no tensor, so no weight
        given = [x if x is None or not double else _double(x) for x in given]
        inside = _Inside(program.graph_module, source, probe.replaced)
        with torch.no_grad(), quiet():
            outputs = inside.run(*given, enable_io_processing=False)
        return inside.seen, list(outputs)

    return run


class _Inside(torch.fx.Interpreter):
    """Evaluates a program operation by operation; `seen` is what its source was."""

    def __init__(self, program: torch.fx.GraphModule, source: str, replaced: Tensor | None) -> None:
        super().__init__(program)
        self._source, self._replaced = source, replaced
        self.seen = torch.empty(0)

    def run_node(self, n: FxNode) -> Any:
        value = super().run_node(n)
        if n.name != self._source:
            return value
        self.seen = value if self._replaced is None else self._replaced.to(value.dtype)
        return self.seen


def _in_float64(program: ExportedProgram, inputs: Inputs) -> list[Any]:
    with quiet(), torch.no_grad():
        module = program.module()
        state = {name: _double(x) for name, x in (*module.named_parameters(), *module.named_buffers())}
        args, kwargs = arguments(program, tuple(_double(x) for x in inputs))
        return list(pytree.tree_leaves(torch.func.functional_call(module, state, args, kwargs)))


def _double(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x
