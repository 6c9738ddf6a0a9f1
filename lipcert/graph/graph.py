"""A captured network as core operations, and its evaluation in float64."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lipcert.rules.table import RULES
from lipcert.rules.types import Node


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order; `source` is what is perturbed, `output` what is bounded.

    weights: every parameter, buffer and constant of the captured program by name, for hashing.
    fixed: the inputs beside the source that are held at these values, part of the claim. Where the source lies
    inside the network, these are the inputs that matter besides (token ids, for a padding mask).
    table: (rows, features), the weight of the embedding where the source is what it looked up, else None.
    path: the module that the source comes from; "" for an input.
    """

    nodes: Mapping[str, Node]
    source: str
    output: str
    weights: Mapping[str, Tensor]
    fixed: Mapping[str, Tensor]
    table: Tensor | None = None
    path: str = ""

    def __call__(self, x: Tensor) -> Tensor:
        """The float64 value of the output for a batch of sources, (batch, *its shape without the 1)."""
        values = {self.source: x.to(torch.float64).reshape(len(x), *self.nodes[self.source].shape)}
        last_use = {name: node.name for node in self.nodes.values() for name in node.inputs}
        for node in self.nodes.values():
            if node.op != "input":
                inputs = [values[name] for name in node.inputs]
                values[node.name] = RULES[node.op].forward(node, inputs)
                for name in {name for name in node.inputs if last_use[name] == node.name}:
                    del values[name]
        return values[self.output]


def prune(nodes: Mapping[str, Node], output: str) -> dict[str, Node]:
    """The nodes that `output` depends on, in their order."""
    needed = {output}
    for node in reversed(list(nodes.values())):
        if node.name in needed:
            needed.update(node.inputs)
    return {name: node for name, node in nodes.items() if name in needed}
