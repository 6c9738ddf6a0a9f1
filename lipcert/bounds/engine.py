"""`lipcert.bound`: from a network to a proved bound, a measured one beside it, and a certificate."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from flint import arb
from torch import Tensor, nn
from torch.export import ExportedProgram

from lipcert.bounds.accounting import PaperAccounting, paper_accounting
from lipcert.bounds.blocks import block_table
from lipcert.bounds.layers import layer_table
from lipcert.bounds.measure import Measured, measure
from lipcert.bounds.points import points_of
from lipcert.bounds.result import Bound, Region, Status
from lipcert.bounds.run import Run, prove_graph
from lipcert.certificate.document import ROOM, Claim, asked, compose, through
from lipcert.certificate.prove import Progress, Proof, Step, silent
from lipcert.checkpoint.load import Inputs, load
from lipcert.checkpoint.model import Model
from lipcert.errors import UsageError, ViolationError
from lipcert.graph.capture import capture, trace
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.norms.norm import NORMS, Norm
from lipcert.rules.domain import Domain, Everywhere, Vocabulary
from lipcert.rules.regions.table import key_of
from lipcert.rules.types import Fact
from lipcert.stages import stage

_LOG = logging.getLogger(__name__)
_FOR_PATHS = "Leave them out, and give example_inputs with a module or a program."


def bound(
    model: nn.Module | ExportedProgram | Model | Path | str,
    example_inputs: Tensor | Sequence[Tensor] | None = None,
    *,
    norm: str | Norm | None = None,
    domain: Domain | None = None,
    source: str = "",
    output: str = "",
    seconds: float = 10.0,
    seed: int = 0,
    arch: str | None = None,
    inputs: Inputs | None = None,
    trust_pickle: bool = False,
    progress: Progress = silent,
) -> Bound:
    """Prove how far the output can move for a move of the source.

    model: a module in eval mode, an exported program, what `lipcert.load` returned, or the path of a file or folder
    that it reads. example_inputs: each with a leading batch axis of 1; their shapes belong to the claim, and the values
    of all but the first; left out, those of the loaded model or file.
    norm: "l2", "linf", "token-l2" or "token-rms", at source and output; left out,
    l2, and from an embedding token-l2. domain: where x and x' lie, in the units of the source; left out, everywhere,
    and from an embedding all sequences of its vocabulary. source: "" for the first input (of token ids: what their
    embedding returns), "embedding", or the path of the module whose output is perturbed.
    output: the name of one of several; left out, the one that is meant in the loaded model or file.
    seconds: at most this long for the measured lower bound, and for the search over all regions. arch, inputs,
    trust_pickle: for a path, as `lipcert.load` takes them, whose errors it raises.

    Raises UnsupportedError where an operation has no rule or no finite bound on the domain (all of them named),
    ViolationError where a measurement beats the bound.
    """
    if isinstance(model, Path | str):
        model = load(model, arch=arch, inputs=inputs, trust_pickle=trust_pickle)
    elif arch is not None or inputs is not None or trust_pickle:
        raise UsageError("arch, inputs and trust_pickle say how a file is read, and no path is given.", hint=_FOR_PATHS)
    assumes = model.assumes if isinstance(model, Model) else ()
    network, given, meant = _given(model, example_inputs)
    output = output or meant
    progress("capturing the network", 0, 0)
    with stage(_LOG, "capturing the network"):
        program = capture(network, given) if isinstance(network, nn.Module) else network
        graph = trace(program, given, output=output, source=source)
    norm = _norm(norm or ("l2" if graph.table is None else "token-l2"))
    domain = domain or (Everywhere() if graph.table is None else Vocabulary())
    found = bound_graph(
        graph, norm, domain, output=output, assumes=assumes, seconds=seconds, seed=seed, progress=progress
    )
    return replace(found, paper=_paper(network, found)) if isinstance(network, nn.Module) else found


def _given(
    model: nn.Module | ExportedProgram | Model, example_inputs: Tensor | Sequence[Tensor] | None
) -> tuple[nn.Module | ExportedProgram, tuple[Tensor, ...], str]:
    """The network, its inputs, and the output that is meant where none is named."""
    found = (example_inputs,) if isinstance(example_inputs, Tensor) else example_inputs
    if isinstance(model, Model):
        return model.network, model.example_inputs if found is None else tuple(found), model.output
    if found is None:
        raise UsageError(
            "the shapes of the inputs are not known.", hint="Give example_inputs, such as torch.rand(1, 4)."
        )
    return model, tuple(found), ""


def _paper(model: nn.Module, found: Bound) -> PaperAccounting | None:
    """What the paper would report, with the norms that were estimated on the way."""
    return paper_accounting(model, {row.path: row.estimate for row in found.rows if row.estimate is not None})


def bound_graph(
    graph: Graph, norm: Norm, domain: Domain, *, output: str = "", assumes: tuple[str, ...] = (), seconds: float,
    seed: int, progress: Progress,
) -> Bound:  # fmt: skip
    """`bound` for a network that is already a graph. assumes: as `Model` has it."""
    started = time.monotonic()
    run = prove_graph(graph, norm, domain, seconds, progress)
    with stage(_LOG, "measuring a lower bound"):
        measured = _measure(graph, norm, domain, seconds, seed, progress)
    _require_above(run, measured, norm)
    claim = Claim(
        norm.name, str(domain), graph.source, output, graph.nodes[graph.source].shape, asked(graph),
        through(graph, norm.name), assumes=assumes,
    )  # fmt: skip
    facts, upper = run.proof.facts, run.upper * ROOM
    witnesses = {key: value for key, value in run.prover.witnesses.items() if _needed(key, graph, run.steps)}
    layers = layer_table(graph, run.way.norm, run.known, facts, run.plain[graph.output].gain, run.prover)
    blocks = block_table(graph, run.way, run.proof, run.plain, run.upper) if run.way.norm.by_token else []
    return Bound(
        Status.PROVED, claim, upper, measured.ratio, run.product, tuple(layers), _regions(run.proof, run.plain),
        tuple(blocks), compose(claim, upper, graph, facts, run.steps, witnesses), time.monotonic() - started,
    )  # fmt: skip


def _regions(proof: Proof, plain: Mapping[str, Fact]) -> tuple[Region, ...]:
    facts, found = proof.facts, []
    for step, whole in proof.used.items():
        entry, exit_ = step.region.entry, step.region.exit
        gain, product = (part[exit_].gain / part[entry].gain for part in (facts, plain))
        found.append(Region(entry, exit_, step.method, gain, product, whole.paths))
    return tuple(found)


def _norm(norm: str | Norm) -> Norm:
    if isinstance(norm, Norm):
        return norm
    if norm not in NORMS:
        raise UsageError(f"there is no norm {norm!r}.", hint=f"Choose one of {', '.join(NORMS)}.")
    return NORMS[norm]


def _needed(key: str, graph: Graph, used: Sequence[Step]) -> bool:
    return key.partition(", ")[0] in {*graph.nodes, *(key_of(step.region, step.method) for step in used)}


def _require_above(run: Run, measured: Measured, norm: Norm) -> None:
    """A measured ratio above the proved bound, beyond rounding in float64, is a bug in lipcert.

    What cancels inside a network leaves rounding behind that its outputs do not tell of, as large as the product of its
    layers suggests: hence the absolute part.
    """
    upper, floor = run.upper, arb("1e-9") * run.product.min(arb(1))
    if not arb(measured.ratio) <= ball.upper(upper) * (1 + arb("1e-9")) + floor:
        raise ViolationError(
            f"a measured ratio, {measured.ratio!r}, is above the bound that was proved, {ball.up(upper)!r}.",
            hint="This is a bug in lipcert; please report it with the checkpoint and this message.",
            points=(measured.x, measured.x_prime),
            bound=ball.up(upper),
            norm=norm.name,
        )


def _measure(graph: Graph, norm: Norm, domain: Domain, seconds: float, seed: int, progress: Progress) -> Measured:
    progress("measuring a lower bound", 0, 0)
    shape = graph.nodes[graph.source].shape[1:] or (1,)

    def output(x: Tensor) -> Tensor:  # numbers without axes, in or out, are vectors of one
        y = graph(x)
        return y if y.dim() > 1 else y.reshape(len(x), 1)

    points = points_of(domain, graph.nodes[graph.source].shape, norm, graph.table)
    example = torch.zeros(1, *shape, dtype=torch.float64)
    return measure(
        output, example, norm, norm, points.sample, points.project, seconds, seed,
        progress=lambda doing: progress(doing, 0, 0),
    )  # fmt: skip
