"""An exported program as a network of batches: it is made for a batch of one, and run example by example."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from lipcert.checkpoint.tree import Tree, leading
from lipcert.errors import InputError, UnsupportedError
from lipcert.graph.capture import capture
from lipcert.graph.program import find_output, functional, quiet, user_inputs, weights
from lipcert.graph.source import EMBEDDING, find_source


def weights_of(network: nn.Module | ExportedProgram) -> Mapping[str, Tensor]:
    """By name, as hashes of them are stored: of a program those that its bound states."""
    return network.state_dict() if isinstance(network, nn.Module) else dict(weights(network).values())


def batched(
    network: nn.Module | ExportedProgram, example: tuple[Tensor, ...], source: str | None, output: str
) -> nn.Module:
    """A network as one that takes batches. example, source, output: as of `Exported`, whose errors it raises.

    One that was rewritten from a file is perturbed inside as a program: it maps batches by vmap, which hooks cannot.
    """
    if isinstance(network, Tree) and source is not None:
        network = capture(network, example)
    return network if isinstance(network, nn.Module) else Exported(network, example, source, output)


class Exported(nn.Module):
    """What a program computes, with a row of every output for each row of the input.

    place: the module whose output can be perturbed, "embedding" where it is in none; None where that is the input.
    """

    def __init__(self, program: ExportedProgram, example: tuple[Tensor, ...], source: str | None, output: str) -> None:
        """example: an input with its batch of one. source: "" for the one embedding, or the path of a module; None for
        the input. output: the one that depends on it, where there are several.

        Raises InputError, UsageError and UnsupportedError where the program takes other inputs, or has no such source.
        """
        super().__init__()
        _require_one(program, example)
        program = functional(program, example)
        with quiet():
            self.network = program.module()
        found = None if source is None else find_source(program, source or EMBEDDING, find_output(program, output)[1])
        self.place = None if found is None else found.path or EMBEDDING
        self._entry = "" if found is None else found.name
        assert found is None or self._entry in {node.name for node in self.network.graph.nodes}  # torch keeps names

    def forward(self, x: Tensor, value: Tensor | None = None) -> Any:
        """x: (batch, *shape). value: (batch, *shape of the source), for the source to be that."""
        run, rows = _Run(self.network, self._entry), torch.split(x, 1)
        values = [None] * len(rows) if value is None else torch.split(value, 1)
        return pytree.tree_map(_joined, *(run(*each) for each in zip(rows, values, strict=True)))

    def values(self, x: Tensor) -> Tensor:
        """What the source is for a batch."""
        run, found = _Run(self.network, self._entry), []
        for row in torch.split(x, 1):
            run(row, None)
            found.append(run.seen)
        return torch.cat(found)

    def double(self) -> "Exported":
        """In float64, with the types that are written into its operations."""
        for module in self.modules():
            for node in module.graph.nodes if isinstance(module, fx.GraphModule) else ():
                node.args, node.kwargs = fx.node.map_aggregate((node.args, node.kwargs), _widened)
        return super().double()


class _Run(fx.Interpreter):
    """One row through the program; `seen` is what the source was."""

    def __init__(self, program: fx.GraphModule, source: str) -> None:
        super().__init__(program)
        self._source, self.seen = source, torch.empty(0)
        self._value: Tensor | None = None

    def __call__(self, row: Tensor, value: Tensor | None) -> Any:
        self._value = value
        return self.run(row)

    def run_node(self, n: fx.Node) -> Any:
        found = super().run_node(n)
        if n.name == self._source:
            found = self.seen = found if self._value is None else self._value
        return found


def _joined(*rows: Any) -> Any:
    return torch.cat([leading(row) for row in rows]) if isinstance(rows[0], Tensor) else rows[0]


def _widened(value: Any) -> Any:
    return torch.float64 if isinstance(value, torch.dtype) and value.is_floating_point else value


def _require_one(program: ExportedProgram, example: tuple[Tensor, ...]) -> None:
    count = len(user_inputs(program))
    if count != 1:
        raise UnsupportedError(
            f"the exported program takes {count} inputs; attacks and certificates are for networks of one.",
            hint="Export a module that takes the first and fixes the others.",
        )
    if len(example[0]) != 1:
        raise InputError(
            f"the program was exported for a batch of {len(example[0])}.",
            hint="Export it with a batch of one: torch.export.export(model.eval(), (x[:1],)).",
        )
