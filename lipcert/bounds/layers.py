"""The table a layer: what each one can multiply a difference by, and what that costs the whole."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from flint import arb
from jaxtyping import Float

from lipcert.bounds.search import SearchProver
from lipcert.certificate.prove import Known
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.estimate import LinearMap, lanczos
from lipcert.norms.norm import Norm
from lipcert.rules.affine import conv_of
from lipcert.rules.table import RULES
from lipcert.rules.types import Fact, Node

MOVES = frozenset({"reshape", "gather"})
"""Operations left out of the table where they multiply nothing."""


@dataclass(frozen=True)
class Layer:
    """One row. Norms and gains are proved upper bounds, rounded up; the estimate is a lower bound.

    name: of the node. path: of the module. operation: what it computes. shape: of its output.
    estimate: of the l2 norm of a weight, by Lanczos iteration. norm: proved, of this layer alone; inf where it
    exceeds a float. slack: norm / estimate - 1. gain: proved, from the source to here. share: of log10 of
    the plain product of norms.
    """

    name: str
    path: str
    operation: str
    shape: tuple[int, ...]
    estimate: float | None
    norm: float
    log10_norm: float
    slack: float | None
    gain: float
    log10_gain: float
    share: float | None

    def to_json(self) -> dict[str, Any]:
        """A JSON value; what exceeds a float is null beside its log10."""
        finite = {key: None if value in (math.inf, -math.inf) else value for key, value in asdict(self).items()}
        return finite | {"shape": list(self.shape)}


def layer_table(
    graph: Graph, norm: Norm, known: Known, facts: Mapping[str, Fact], product: arb, prover: SearchProver
) -> list[Layer]:
    """A row for each node that can change a difference, in the order of the graph."""
    rows = []
    for node in graph.nodes.values():
        if node.op == "input":
            continue
        alone = known.passages[node.name].gain(node, norm, [arb(1)] * len(node.inputs), prover)
        if node.op not in MOVES or alone != 1:
            estimate = _estimate(node, prover) if norm.inner == 2 else None
            rows.append(_row(node, estimate, alone, facts[node.name], product))
    return rows


def _row(node: Node, estimate: float | None, alone: arb, fact: Fact, product: arb) -> Layer:
    value, whole = ball.up(alone), ball.log10(product)
    share = ball.log10(alone) / whole if whole > 0 and alone > 0 else None
    return Layer(
        node.name, node.path, operation(node), node.shape, estimate, value, ball.log10(alone),
        value / estimate - 1 if estimate else None, ball.up(fact.gain), ball.log10(fact.gain), share,
    )  # fmt: skip


def operation(node: Node) -> str:
    """What a node computes, in a word or two."""
    if node.op == "entrywise":
        return str(node.attrs["function"])
    if node.op == "extremum":
        return f"{node.attrs['kind']}imum"
    return {"window_sum": "average", "window_max": "max pool", "normalise": "normalisation"}.get(node.op, node.op)


def _estimate(node: Node, prover: SearchProver) -> float | None:
    """Of the l2 norm of a weight, by Lanczos iteration, which converges from below: what the search for its proof
    guessed, or one for the whole operator."""
    if node.op == "conv":
        return lanczos(_conv_map(node), np.random.default_rng(0)).value
    return prover.estimates[node.name].value if node.op == "linear" and node.name in prover.estimates else None


def _conv_map(node: Node) -> LinearMap:
    linear = RULES[node.op].linear
    assert linear is not None
    conv = conv_of(node)
    channels = conv.kernel.shape[0] if conv.transposed else conv.kernel.shape[1] * conv.groups
    items = node.shape[: -len(conv.size) - 1]
    start = torch.zeros(1, *items, channels, *conv.size, dtype=torch.float64, requires_grad=True)
    output = linear.apply(node, [start], False)

    def forward(x: Float[np.ndarray, " inputs"]) -> Float[np.ndarray, " outputs"]:
        with torch.no_grad():
            return linear.apply(node, [torch.from_numpy(x).reshape(start.shape)], False).flatten().numpy()

    def adjoint(y: Float[np.ndarray, " outputs"]) -> Float[np.ndarray, " inputs"]:
        direction = torch.from_numpy(y).reshape(output.shape)
        return torch.autograd.grad(output, start, direction, retain_graph=True)[0].flatten().numpy()

    return LinearMap(forward, adjoint, start.numel())
