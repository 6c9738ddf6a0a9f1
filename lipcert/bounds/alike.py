"""Which examples one network is for: token ids may matter besides what is perturbed, as where they are padded."""

import json

import torch
from torch import Tensor
from torch.export import ExportedProgram

from lipcert.certificate.document import describe_node
from lipcert.graph.capture import trace
from lipcert.graph.graph import Graph


def alike(program: ExportedProgram, x: Tensor, *, output: str, source: str) -> list[tuple[Graph, Tensor]]:
    """The graphs that a program is for these examples, (n, *shape), each with the numbers of those it is of.

    One of all, where nothing is held fixed; else those that differ in no node and no constant are one.
    """
    first = trace(program, (x[:1],), output=output, source=source)
    if not first.fixed:
        return [(first, torch.arange(len(x)))]
    found: dict[str, tuple[Graph, list[int]]] = {}
    for place in range(len(x)):
        graph = first if place == 0 else trace(program, (x[place : place + 1],), output=output, source=source)
        told = json.dumps([describe_node(node) for node in graph.nodes.values()])
        found.setdefault(told, (graph, []))[1].append(place)
    return [(graph, torch.tensor(places)) for graph, places in found.values()]
