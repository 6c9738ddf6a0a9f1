"""The margins of one example, and the radii to which they are proved to stay positive."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lipcert.bounds.margins import Margins
from lipcert.graph.graph import Graph
from lipcert.rules.table import RULES
from lipcert.rules.types import Reach

Arithmetic = Literal["enclosed", "float64"]

_WIDEST = 1e-3
"""Enclosures of the outputs may be so wide, relative to the largest; beyond, float64 says more, and proves less."""
_ALLOWANCE = 1e-9
"""What is taken off a margin that was computed in float64, relative to the largest output, for its rounding."""


def one_example(graph: Graph, margins: Margins, point: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Arithmetic]:
    """Margins and radii of the rows of one example, as `Certified` has them.

    point: (*shape), a value of the graph's source. label: (rows,), the number of an output in each.
    """
    lo, hi, arithmetic = _outputs(graph, point)
    classes = lo.shape[-1]
    margin, radius = [], []
    for low, high, y in zip(lo.reshape(-1, classes), hi.reshape(-1, classes), label.tolist(), strict=True):
        gaps = np.nextafter(low[y] - high, -np.inf)
        others = np.arange(classes) != y
        pairs = margins.against(y, classes)
        margin.append(float(gaps[others].min(initial=np.inf)))
        radius.append(least_radius(gaps[others], pairs[others]))
    return torch.tensor(margin, dtype=torch.float64), torch.tensor(radius, dtype=torch.float64), arithmetic


def least_radius(gaps: np.ndarray, pairs: np.ndarray) -> float:
    """The least gap/L, rounded down so that the next float is below it too; 0 where some gap is not positive.

    Written so that NaN gives 0.
    """
    if not bool((gaps > 0).all()):
        return 0.0
    with np.errstate(divide="ignore", over="ignore"):
        least = float(np.nextafter(np.nextafter(gaps / pairs, 0.0), 0.0).min(initial=np.inf))
    return least if least > 0 else 0.0


def _outputs(graph: Graph, point: Tensor) -> tuple[np.ndarray, np.ndarray, Arithmetic]:
    """The interval of every output at one point: a rigorous enclosure where that is narrow, else float64 and room."""
    reach = _enclosure(graph, point)
    size = float(np.abs(reach.magnitude).max())
    if reach.bounded and float((reach.hi - reach.lo).max()) <= _WIDEST * size:
        return np.asarray(reach.lo), np.asarray(reach.hi), "enclosed"
    with torch.no_grad():
        value = graph(point[None].double())[0].numpy()
    room = _ALLOWANCE * (1 + float(np.abs(value).max()))
    return value - room, value + room, "float64"


def _enclosure(graph: Graph, point: Tensor) -> Reach:
    value = point.double().reshape(graph.nodes[graph.source].shape).numpy()
    found = {graph.source: Reach(value, value)}
    for node in graph.nodes.values():
        if node.op != "input":
            found[node.name] = RULES[node.op].reach(node, [found[name] for name in node.inputs]).over(node.shape)
    return found[graph.output]
