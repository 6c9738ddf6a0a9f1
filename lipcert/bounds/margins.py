"""How fast the margin between two classes can change: |Δ(f_y - f_i)| <= L_yi |Δx|, for every pair.

Three proofs, and the smallest counts. With the last layer f = W u + b behind features u of gain g,
|Δ(f_y - f_i)| <= |w_y - w_i|_dual · g. From the bound L of all outputs: √2·L in l2, 2·L in linf, as f_y - f_i is a
product with a vector of that dual norm. And where a region with multipliers ends in the outputs, the region whose exit
is the one number f_y - f_i instead, with the same multipliers and a square of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from flint import arb
from jaxtyping import Float
from torch import Tensor

from lipcert.bounds.multipliers import finish_multipliers
from lipcert.bounds.run import Run
from lipcert.certificate.prove import Route
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.rules.affine import weight_matrix
from lipcert.rules.grouping import regroup
from lipcert.rules.groups import rows
from lipcert.rules.regions.increments import Increments, Part, increments
from lipcert.rules.regions.table import key_of
from lipcert.rules.regions.token import one_token
from lipcert.rules.types import Fact, Node

_MOST_VARIABLES = 1024

Row = Float[np.ndarray, " classes"]
"""Bounds for one label against every class, rounded up; 0 against itself."""


@dataclass(frozen=True)
class Ending:
    """A region with multipliers that ends in the outputs. gain: of its entry, times what scales its exit."""

    work: Increments
    values: list[Tensor]
    gain: arb


@dataclass
class Margins:
    """L_yi for pairs of classes, in the norm of the claim at the source, computed a label at a time.

    whole: the bound of all outputs, each a group of the walk. last: the layer that the outputs are, its scale, and the
    gain of its features. source: what one unit of the claim's norm is in the norm of the walk.
    """

    inner: int | str
    whole: arb
    last: tuple[Node, arb, arb] | None
    ending: Ending | None
    source: arb
    _known: dict[int, Row] = field(default_factory=dict)

    def against(self, label: int, classes: int) -> Row:
        """L_yi for this label y and every class i."""
        if label not in self._known:
            found = [min(self._pair(label, other), key=ball.up) * self.source for other in range(classes)]
            self._known[label] = np.array([0.0 if i == label else ball.up(value) for i, value in enumerate(found)])
        return self._known[label]

    def _pair(self, label: int, other: int) -> list[arb]:
        found = [self.whole * (arb(2).sqrt() if self.inner == 2 else 2)]
        if self.last is not None:
            node, scale, gain = self.last
            found.append(scale * _dual(weight_matrix(node), label, other, self.inner) * gain)
        if self.ending is not None and label != other:
            found.extend(_ended(self.ending, label, other))
        return found


def _dual(weight: Float[np.ndarray, "classes features"], label: int, other: int, inner: int | str) -> arb:
    """|w_y - w_i| in l2, or in l1 for features in linf; the difference rounds once."""
    difference = np.abs(weight[label] - weight[other])
    slack = 1 + 2 * ball.gamma(len(difference) + 4)
    peak = float(difference.max())
    if inner != 2 or peak == 0:
        return arb(float(difference.sum())) * slack + ball.UNDERFLOW
    return arb(peak) * (arb(float(np.square(difference / peak).sum())) * slack + ball.UNDERFLOW).sqrt()


def _ended(ending: Ending, label: int, other: int) -> Iterator[arb]:
    work = ending.work
    exit_ = {
        variable: Part((part.columns.reshape(len(part.columns), -1)[:, [label]]
                        - part.columns.reshape(len(part.columns), -1)[:, [other]]), _pair_error(part, label, other))
        for variable, part in work.exit.items()
    }  # fmt: skip
    found = finish_multipliers(Increments(work.sizes, work.names, work.bends, exit_), ending.values)
    if found is not None:
        yield found[1] * ending.gain


def _pair_error(part: Part, label: int, other: int) -> arb:
    """(e_y - e_i)ᵀ(M + E): |e_y - e_i| = √2 times |E|, and one rounding an entry."""
    flat = part.columns.reshape(len(part.columns), -1)
    sizes = torch.linalg.vector_norm(flat[:, label]) + torch.linalg.vector_norm(flat[:, other])
    return part.error * arb(2).sqrt() + ball.gamma(len(flat) + 4) * arb(float(sizes)) + ball.UNDERFLOW


def margins_of(graph: Graph, run: Run) -> Margins:
    """What a proof of the bound says of single margins."""
    way, facts = run.way, run.proof.facts
    outputs = facts[graph.output]
    if way.norm.by_token:
        outputs = regroup(outputs, rows(graph.nodes[graph.output].shape))
    last = last_layer(graph, facts, way)
    given = graph.nodes[graph.source].shape or (1,)
    return Margins(way.norm.inner, outputs.gain, last, _ending(graph, run, last), source_unit(way, given))


def source_unit(way: Route, shape: Sequence[int]) -> arb:
    """The largest norm of the walk among the x of norm 1 in the norm of the claim."""
    if way.claimed.inner == "inf" and way.norm.by_token:
        return arb(shape[-1]).sqrt()
    return 1 / way.claimed.unit(shape[-1])


def _ending(graph: Graph, run: Run, last: tuple[Node, arb, arb] | None) -> Ending | None:
    scales = {graph.output: arb(1)} | ({last[0].name: last[1]} if last is not None else {})
    for step in run.proof.used:
        key = key_of(step.region, step.method)
        if step.method != "multipliers" or step.region.exit not in scales or key not in run.prover.witnesses:
            continue
        nodes, known = graph.nodes, run.known.facts
        if run.way.norm.by_token:
            one = one_token(nodes, step.region, known)
            assert one is not None  # it was used
            nodes, known = one.nodes, one.facts
        reaches = {name: known[name].reach for name in (step.region.entry, *step.region.members)}
        if sum(len(value) for value in run.prover.witnesses[key]["values"]) > _MOST_VARIABLES:
            return None  # every pair costs a factor of all variables
        values = [torch.tensor(value, dtype=torch.float64) for value in run.prover.witnesses[key]["values"]]
        gain = run.proof.facts[step.region.entry].gain * scales[step.region.exit]
        return Ending(increments(nodes, step.region, reaches), values, gain)
    return None


def last_layer(graph: Graph, facts: Mapping[str, Fact], way: Route) -> tuple[Node, arb, arb] | None:
    """The linear layer that the outputs are, or rows of it, behind scalings by one positive number; None where there
    is none."""
    scale, node = arb(1), graph.nodes[graph.output]
    classes = node.shape[-1]
    while (node.op in ("reshape", "scale") or _takes_rows(node, classes)) and len(node.inputs) == 1:
        if node.op == "scale":
            factor = node.consts["factor"].double()
            if not bool((factor == factor.reshape(-1)[0]).all()):
                return None
            scale *= abs(arb(float(factor.reshape(-1)[0]))) * (1 + 2 * ball.gamma(1 + int(node.attrs.get("ulps", 0))))
        node = graph.nodes[node.inputs[0]]
    if node.op != "linear" or node.shape[-1] != classes:
        return None
    features = facts[node.inputs[0]]
    if way.norm.by_token:
        features = regroup(features, rows(graph.nodes[node.inputs[0]].shape))
    return node, scale, features.gain


def _takes_rows(node: Node, classes: int) -> bool:
    """Whether a gather hands on whole rows of `classes` entries, each in its order: what holds of every row of its
    input holds of them. In between there are only reshapes and scalings, so rows are counted from the first entry.
    """
    if node.op != "gather" or "offset" in node.consts or node.shape[-1] != classes:
        return False
    index = node.consts["index"].reshape(-1, classes)
    first = index[:, :1]
    in_order = index == first + torch.arange(classes)
    return bool(in_order.all()) and bool((first >= 0).all()) and bool((first % classes == 0).all())
