"""Which rules an exported operation becomes: read off the graphs of the functions in tests/unit/lowering/.

The suite fails where an operation of LOWER has no row there.
"""

from functools import cache

import torch
from torch import Tensor, nn

from lipcert.graph.capture import capture, lower
from lipcert.graph.program import find_output, functional
from lipcert.rules.table import RULES
from tests.unit.lowering.families import FAMILIES
from tests.unit.lowering.inputs import SHAPE, Function


class _Family(nn.Module):
    """All functions of a family in one network, so that it is exported once."""

    def __init__(self, functions: list[Function]) -> None:
        super().__init__()
        self.functions = functions
        self.parts = nn.ModuleList(f for f in functions if isinstance(f, nn.Module))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [function(x) for function in self.functions]


@cache
def reached() -> dict[str, list[str]]:
    """Exported operation → the core operations that stand for it, in the order of RULES."""
    x = torch.linspace(-3, 3, torch.Size(SHAPE).numel(), dtype=torch.float64).reshape(SHAPE)
    found: dict[str, set[str]] = {}
    for rows in FAMILIES.values():
        program = functional(capture(_Family([function for _, function in rows]).eval(), (x,)), (x,))
        for place, (operation, _) in enumerate(rows):
            graph = lower(program, (x,), find_output(program, str(place))[1])
            found.setdefault(operation, set()).update(n.op for n in graph.nodes.values() if n.target == operation)
    return {operation: [name for name in RULES if name in ops] for operation, ops in found.items()}
