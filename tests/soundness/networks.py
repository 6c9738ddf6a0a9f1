"""Random networks of core operations, built as graphs without torch.export."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from lipcert.graph.graph import Graph, prune
from lipcert.rules.types import Node

FUNCTIONS: tuple[tuple[str, dict[str, float]], ...] = (
    ("relu", {}),
    ("relu", {}),
    ("leaky_relu", {"negative_slope": 0.1}),
    ("leaky_relu", {"negative_slope": -0.4}),
    ("gelu", {}),
    ("tanh", {}),
    ("abs", {}),
    ("silu", {}),
)


class Network:
    """Nodes added one by one, from a source `x` of so many entries."""

    def __init__(self, entries: int) -> None:
        self.nodes = {"x": Node("x", "input", (), (1, entries))}

    def width(self, name: str) -> int:
        return self.nodes[name].size

    def add(self, op: str, inputs: Sequence[str], width: int, attrs: Any = None, **consts: Tensor) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes[name] = Node(name, op, tuple(inputs), (1, width), attrs or {}, consts)
        return name

    def linear(self, name: str, weight: Tensor, offset: Tensor | None = None) -> str:
        return self.add("linear", [name], len(weight), weight=weight, **({} if offset is None else {"offset": offset}))

    def function(self, name: str, function: str, **parameters: float) -> str:
        return self.add("entrywise", [name], self.width(name), {"function": function, "parameters": parameters})

    def add_up(self, names: Sequence[str], coefficients: Sequence[float]) -> str:
        return self.add("sum", names, self.width(names[0]), {"coefficients": list(coefficients)})

    def extremum(self, a: str, b: str, kind: str = "max") -> str:
        return self.add("extremum", [a, b], self.width(a), {"kind": kind})

    def concatenate(self, *names: str) -> str:
        sizes = [self.width(name) for name in names]
        index = torch.arange(sum(sizes)).reshape(1, -1)
        return self.add("gather", names, sum(sizes), {"sizes": sizes}, index=index)

    def graph(self, output: str) -> Graph:
        return Graph(prune(self.nodes, output), "x", output, {}, {})


def random_weight(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64) / columns**0.5


def chain(widths: Sequence[int], seed: int, function: str = "relu", scale: float = 1.0) -> Graph:
    """Linear layers with one function between them."""
    generator, network, name = torch.Generator().manual_seed(seed), Network(widths[0]), "x"
    for i, (columns, rows) in enumerate(pairwise(widths)):
        name = network.function(name, function) if i else name
        offset = 0.3 * torch.randn(rows, generator=generator, dtype=torch.float64)
        name = network.linear(name, scale * random_weight(rows, columns, generator), offset)
    return network.graph(name)


def random_network(seed: int, most: int = 6) -> Graph:
    """Layers, functions, sums, maxima and concatenations of whatever came before, one source and one output."""
    generator = torch.Generator().manual_seed(seed)

    def pick(count: int) -> int:
        return int(torch.randint(count, (), generator=generator))

    network = Network(2 + pick(most - 1))
    names = ["x"]
    for _ in range(4 + pick(5)):
        name = names[-1 - pick(min(3, len(names)))]
        alike = [other for other in names if network.width(other) == network.width(name)]
        kind, other = pick(6), alike[pick(len(alike))]
        if kind <= 1:
            rows = 2 + pick(most - 1)
            offset = torch.randn(rows, generator=generator, dtype=torch.float64)
            names.append(network.linear(name, random_weight(rows, network.width(name), generator), offset))
        elif kind == 2:
            function, parameters = FUNCTIONS[pick(len(FUNCTIONS))]
            names.append(network.function(name, function, **parameters))
        elif kind == 3:
            names.append(network.add_up([name, other], [1.0, (1.0, -0.5, 2.0)[pick(3)]]))
        elif kind == 4:
            names.append(network.extremum(name, other, ("max", "min")[pick(2)]))
        else:
            names.append(network.concatenate(name, names[pick(len(names))]))
    width = network.width(names[-1])
    function, parameters = FUNCTIONS[pick(len(FUNCTIONS))]
    bent = network.function(network.linear(names[-1], random_weight(width, width, generator)), function, **parameters)
    skipped = network.add_up([names[-1], bent], [1.0, 1.0])
    return network.graph(network.linear(skipped, random_weight(2 + pick(3), width, generator)))
