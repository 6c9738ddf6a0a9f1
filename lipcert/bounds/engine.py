"""`lipcert.bound`: from a network to a proved bound, a measured one beside it, and a certificate."""

import time
from collections.abc import Sequence

import torch
from flint import arb
from torch import Tensor, nn
from torch.export import ExportedProgram

from lipcert.bounds.layers import layer_table
from lipcert.bounds.measure import Measured, measure
from lipcert.bounds.regions import find_regions, folded_steps
from lipcert.bounds.result import Bound, Region, Status
from lipcert.bounds.search import SearchProver
from lipcert.certificate.document import ROOM, Claim, compose
from lipcert.certificate.prove import Progress, Step, prove, reaches, silent
from lipcert.errors import UsageError, ViolationError
from lipcert.graph.capture import capture, trace
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import NORMS, Norm
from lipcert.rules.domain import Box, Domain, Everywhere
from lipcert.rules.regions.table import key_of

_EVERYWHERE = Everywhere()


def bound(
    model: nn.Module | ExportedProgram,
    example_inputs: Tensor | Sequence[Tensor],
    *,
    norm: str | Norm = "l2",
    domain: Domain = _EVERYWHERE,
    output: str = "",
    seconds: float = 10.0,
    seed: int = 0,
    progress: Progress = silent,
) -> Bound:
    """Prove how far the output can move for a move of the first input.

    model: in eval mode. example_inputs: each with a leading batch axis of 1; their shapes belong to the claim,
    and the values of all but the first. norm: "l2" or "linf", at the input and at the output.
    domain: where x and x' lie, in the units of the first input. output: the name of one of several.
    seconds: at most this long for the measured lower bound, and for the search over each region.

    Raises UnsupportedError where an operation has no rule or no finite bound on the domain (all of them named),
    ViolationError where a measurement beats the bound.
    """
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    progress("capturing the network", 0, 0)
    program = capture(model, inputs) if isinstance(model, nn.Module) else model
    graph = trace(program, inputs, output=output)
    return bound_graph(graph, _norm(norm), domain, output=output, seconds=seconds, seed=seed, progress=progress)


def bound_graph(
    graph: Graph, norm: Norm, domain: Domain, *, output: str = "", seconds: float, seed: int, progress: Progress
) -> Bound:
    """`bound` for a network that is already a graph."""
    started = time.monotonic()
    progress("bounding values", 0, 0)
    reach = reaches(graph, domain)
    prover = SearchProver(seconds)
    plain = prove(graph, norm, reach, [], prover, progress).facts
    steps = [*find_regions(graph, reach, norm), *(folded_steps(graph) if norm.inner == 2 else [])]
    proof = prove(graph, norm, reach, steps, prover, progress)
    facts, used = proof.facts, proof.used
    measured = _measure(graph, norm, domain, seconds, seed, progress)
    upper, product = facts[graph.output].gain, plain[graph.output].gain
    _require_above(upper, measured)
    claim = Claim(norm.name, str(domain), graph.source, output, graph.nodes[graph.source].shape)
    regions = tuple(
        Region(s.region.entry, s.region.exit, s.method, facts[s.region.exit].gain / facts[s.region.entry].gain,
               plain[s.region.exit].gain / plain[s.region.entry].gain) for s in used
    )  # fmt: skip
    witnesses = {key: value for key, value in prover.witnesses.items() if _needed(key, graph, used)}
    return Bound(
        Status.PROVED, claim, upper * ROOM, measured.ratio, product,
        tuple(layer_table(graph, norm, facts, product, prover)), regions,
        compose(claim, graph, facts, used, witnesses), time.monotonic() - started,
    )  # fmt: skip


def _norm(norm: str | Norm) -> Norm:
    if isinstance(norm, Norm):
        return norm
    if norm not in NORMS:
        raise UsageError(f"there is no norm {norm!r}.", hint=f"Choose one of {', '.join(NORMS)}.")
    return NORMS[norm]


def _needed(key: str, graph: Graph, used: Sequence[Step]) -> bool:
    return key in graph.nodes or key in {key_of(step.region, step.method) for step in used}


def _require_above(upper: arb, measured: Measured) -> None:
    """A measured ratio above the proved bound, beyond rounding in float64, is a bug in lipcert."""
    if not arb(measured.ratio) <= ball.upper(upper) * (1 + arb("1e-9")):
        raise ViolationError(
            f"a measured ratio, {measured.ratio!r}, is above the bound that was proved, {ball.up(upper)!r}.",
            hint="This is a bug in lipcert; please report it with the checkpoint and this message.",
        )


def _measure(graph: Graph, norm: Norm, domain: Domain, seconds: float, seed: int, progress: Progress) -> Measured:
    progress("measuring a lower bound", 0, 0)
    shape = graph.nodes[graph.source].shape[1:] or (1,)

    def flat(x: Tensor) -> Tensor:  # numbers without axes, in or out, are vectors of one
        return graph(x).reshape(len(x), -1)

    def sample(count: int, generator: torch.Generator) -> Tensor:
        if isinstance(domain, Everywhere):
            return torch.randn(count, *shape, generator=generator, dtype=torch.float64)
        return project(lo + (hi - lo) * torch.rand(count, *shape, generator=generator, dtype=torch.float64))

    def project(x: Tensor) -> Tensor:
        return x if isinstance(domain, Everywhere) else x.clamp(lo, hi)

    lo, hi = _inside(domain) if isinstance(domain, Box) else (0.0, 1.0)
    example = torch.zeros(1, *shape, dtype=torch.float64)
    return measure(
        flat, example, norm, norm, sample, project, seconds, seed, progress=lambda doing: progress(doing, 0, 0)
    )


def _inside(domain: Box) -> tuple[float, float]:
    """Floats within the box proper, which lies within the ball round it."""
    low, high = (ball.rational(end.numerator, end.denominator) for end in (domain.low, domain.high))
    return ball.up(low), ball.down(high)
