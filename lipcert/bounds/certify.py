"""Certified radii: how far an example can be moved, provably, before its class can change.

Label y stays the largest output of f at every x' of the domain with |x' - x| <= ε where for every other class i
(f_y - f_i)(x) > ε·L_yi, strictly: at equality, and at -0.0, there may be a tie, and a tie is not certified.
"""

import logging
import math
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from flint import arb
from torch import Tensor, nn
from torch.export import ExportedProgram

from lipcert.bounds.alike import alike
from lipcert.bounds.example import Arithmetic, one_example
from lipcert.bounds.margins import margins_of
from lipcert.bounds.run import Run, prove_graph
from lipcert.certificate.document import ROOM
from lipcert.certificate.prove import Progress, silent
from lipcert.errors import InputError, UnsupportedError
from lipcert.graph.capture import capture
from lipcert.graph.graph import Graph
from lipcert.graph.probe import Probe, from_inside
from lipcert.norms import ball
from lipcert.norms.norm import NORMS, Norm
from lipcert.rules.domain import Box, Domain, Everywhere
from lipcert.stages import stage
from lipcert.store.examples import certifies

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Certified:
    """n examples; outputs in rows: one for a classifier, one a token for a network of sequences.

    upper: the proved Lipschitz bound of all outputs, the largest where padding makes several. margin: (n, rows), the
    least f_y - f_i, rounded down; not positive where the label is not the largest output. radius: (n, rows), no larger
    ε is certified; 0 where the margin is not positive, and at most what the domain has room for. arithmetic: "enclosed"
    where the margins are rigorous lower bounds over the reals, "float64" where they were computed in float64 and
    lowered by an allowance for rounding.

    A radius is proved up to the next float above it, as far as the domain has room: see `certifies`.
    """

    norm: Norm
    domain: Domain
    upper: arb
    margin: Tensor
    radius: Tensor
    arithmetic: tuple[Arithmetic, ...]

    def at(self, eps: Fraction) -> Tensor:
        """(n,): whether all labels of an example are certified for every perturbation of at most eps."""
        if (room := _room(self.domain)) is not None and eps > room:
            return torch.zeros(len(self.radius), dtype=torch.bool)
        return torch.tensor([all(certifies(radius, eps) for radius in rows) for rows in self.radius.tolist()])


def certify(
    model: nn.Module | ExportedProgram,
    x: Tensor,
    y: Tensor,
    *,
    norm: str | Norm,
    domain: Domain,
    source: str = "",
    output: str = "",
    seconds: float = 10.0,
    progress: Progress = silent,
) -> Certified:
    """The certified radius of every example, from one global bound on the domain; one for each way in which ids that
    matter besides, such as padding, are held fixed.

    model: a module in eval mode, or a program that was exported for a batch of one. x: (n, *shape), inputs or token
    ids; y: (n,) int64 labels, or (n, T) where every token has outputs of its own. domain: holds every example and
    everything that it may be moved to.
    Raises UnsupportedError where the network has no finite bound on the domain, InputError where an example lies
    outside it or a label is no output.
    """
    norm = NORMS[norm] if isinstance(norm, str) else norm
    with stage(_LOG, "capturing the network"):
        program = capture(model, (x[:1],)) if isinstance(model, nn.Module) else model
        groups = list(alike(program, x, output=output, source=source))
    parts = []
    for graph, rows in groups:
        run = prove_graph(graph, norm, domain, seconds, progress)
        points = x[rows] if x.is_floating_point() else _inside(program, graph, x[rows])
        with stage(_LOG, f"certifying {len(rows)} examples"):
            parts.append((rows, certified(graph, run, points, y[rows], norm, domain, progress)))
    return _joined(parts)


def _joined(parts: list[tuple[Tensor, Certified]]) -> Certified:
    """The examples in their order."""
    order = torch.cat([rows for rows, _ in parts]).argsort()
    margin, radius = (
        torch.cat(found)[order] for found in zip(*((part.margin, part.radius) for _, part in parts), strict=True)
    )
    ways = [way for _, part in parts for way in part.arithmetic]
    upper = max((part.upper for _, part in parts), key=ball.up)
    return replace(
        parts[0][1], upper=upper, margin=margin, radius=radius, arithmetic=tuple(ways[place] for place in order)
    )


def certified(
    graph: Graph, run: Run, points: Tensor, y: Tensor, norm: Norm, domain: Domain, progress: Progress = silent
) -> Certified:
    """`certify` from a proof that was made. points: (n, *shape) values of the graph's source."""
    _require_inside(points, domain)
    margins = margins_of(graph, run)
    labels = _labels(graph, y)
    found = []
    for place, (point, label) in enumerate(zip(points, labels, strict=True)):
        progress("certifying", place, len(points))
        found.append(one_example(graph, margins, point, label))
    margin, radius = torch.stack([each[0] for each in found]), torch.stack([each[1] for each in found])
    arithmetic = tuple(each[2] for each in found)
    return Certified(norm, domain, run.upper * ROOM, margin, _within(radius, domain), arithmetic)


def _inside(program: ExportedProgram, graph: Graph, x: Tensor) -> Tensor:
    """What the source is for each of the token ids."""
    look_up = from_inside(program, graph.source)
    return torch.cat([look_up(Probe((ids[None],)), False)[0] for ids in x])


def _room(domain: Domain) -> Fraction | None:
    """How far from an example the domain reaches for certain; None where perturbations stay in it by themselves:
    everywhere, and in a box without a radius, which is the range of the inputs."""
    if isinstance(domain, Everywhere) or (isinstance(domain, Box) and not domain.radius):
        return None
    return domain.radius


def _within(radius: Tensor, domain: Domain) -> Tensor:
    """At most what the domain has room for."""
    room = _room(domain)
    return radius if room is None else radius.clamp(max=ball.down(ball.rational(room.numerator, room.denominator)))


def _require_inside(points: Tensor, domain: Domain) -> None:
    if not bool(torch.isfinite(points).all()):
        raise InputError("an example holds NaN or infinity.", hint="Check the data.")
    if isinstance(domain, Box):
        low, high = (float(end) for end in (domain.low, domain.high))
        least, most = float(points.min()), float(points.max())
        if not (low <= least and most <= high):
            raise InputError(
                f"the examples lie in [{least:.6g}, {most:.6g}], outside the domain {domain}.",
                hint="Name the range of the inputs as they enter the network: --domain box:LO,HI.",
            )


def _labels(graph: Graph, y: Tensor) -> Tensor:
    """(n, rows), each the number of an output."""
    shape = graph.nodes[graph.output].shape
    rows, classes = math.prod(shape[1:-1]), shape[-1]
    labels = y.reshape(len(y), -1)
    if len(shape) < 2 or labels.shape[1] != rows:
        raise UnsupportedError(
            f"the outputs have the shape {'×'.join(map(str, shape[1:]))}, with {labels.shape[1]} labels an example.",
            hint="Certification needs a row of class scores for every label; choose it by --output.",
        )
    if not bool(((labels >= 0) & (labels < classes)).all()):
        raise InputError(
            f"there is a label outside 0 to {classes - 1}, the {classes} outputs of the network.",
            hint="Check that data and network belong together.",
        )
    return labels
