"""Guards: the module, its exported program and the graph must compute the same on some inputs."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from lipcert.errors import InputError, UnsupportedError, ViolationError
from lipcert.graph.graph import Graph
from lipcert.graph.probe import Probe, Run, from_input, from_inside
from lipcert.graph.program import Inputs, quiet, user_inputs


def require_same_program(module: torch.nn.Module, program: ExportedProgram, inputs: Inputs) -> None:
    """A module may do something else while it is exported, or draw numbers unknown to torch.

    It is run twice: some modules are different from the second call on. A program that differs from itself is
    random, and refused by the name of the operation when it is lowered.
    """
    with quiet():
        captured = program.module()
        expected, *again = (_outputs(part, inputs) for part in (captured, module, module))
        tags = (getattr(fx.target, "tags", ()) for fx in program.graph.nodes)
        if any(torch.Tag.nondeterministic_seeded in tag for tag in tags):
            repeated = zip(expected, _outputs(captured, inputs), strict=True)
            if not all(_close(a, b, _tolerance(program)) for a, b in repeated):
                return
    pairs = [pair for outputs in again for pair in zip(expected, outputs, strict=True)]
    if not all(_close(a, b, _tolerance(program)) for a, b in pairs):
        raise UnsupportedError(
            "the network computes something else when it is run than when it is captured.",
            hint="It may be random, keep state between calls, or ask whether it is being exported.",
        )


def _outputs(module: torch.nn.Module, inputs: Inputs) -> list[Tensor]:
    """What a module returns; nothing of it and of the inputs is changed."""
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    with torch.no_grad():
        outputs = torch.func.functional_call(module, buffers, tuple(x.clone() for x in inputs))
    return [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, Tensor)]


def require_same_graph(program: ExportedProgram, graph: Graph, inputs: Inputs, place: int) -> None:
    """Guard against a wrong lowering: on some inputs the graph must agree with the program."""
    compared, problem = False, "not finite"
    outer = graph.source in user_inputs(program)
    run = from_input(program) if outer else from_inside(program, graph.source)
    for probe in _probes(inputs) if outer else _probes_inside(program, graph, inputs):
        try:
            x, outputs = run(probe, False)
        except IndexError as error:  # token ids
            problem = f"not computed ({error})"
            continue
        if not bool(torch.isfinite(outputs[place]).all()):
            continue
        compared = True
        if not _agrees(graph, x, outputs[place], _tolerance(program)) and not _agree_in_float64(
            run, graph, probe, place
        ):
            raise ViolationError(
                "the captured graph does not compute what the network computes, so nothing is claimed of it.",
                hint="This is a bug in lipcert; please report it with the model's architecture.",
            )
    if not compared:
        raise InputError(
            f"the network's output is {problem}, neither on the example input nor on random ones.",
            hint="Look for infinite weights and for logarithms, roots and quotients outside their domain, and for "
            "token ids beyond the rows of an embedding.",
        )


def _agrees(graph: Graph, x: Tensor, there: Tensor, tolerance: float) -> bool:
    with torch.no_grad():
        return _close(there, graph(x)[0], tolerance)


def _agree_in_float64(run: Run, graph: Graph, probe: Probe, place: int) -> bool:
    """Whether they agree once every float is a float64: chaotic networks differ in float32 by rounding alone."""
    try:
        x, outputs = run(probe, True)
    except Exception:  # noqa: BLE001 - operations that insist on their types
        return False
    return _agrees(graph, x, outputs[place], 1e-6)


def _probes(inputs: Inputs) -> Iterator[Probe]:
    yield Probe(inputs)
    for x in _random(inputs[0].shape):
        yield Probe((x.to(inputs[0].dtype), *inputs[1:]))


def _probes_inside(program: ExportedProgram, graph: Graph, inputs: Inputs) -> Iterator[Probe]:
    """Other inputs, unless the claim holds the first one fixed; then other values in the place of the source's."""
    yield Probe(inputs)
    if user_inputs(program)[0] not in graph.fixed:
        yield Probe((_another(inputs[0], graph.table), *inputs[1:]))
    *_, x = _random(graph.nodes[graph.source].shape)
    yield Probe(inputs, x)


def _random(shape: Sequence[int]) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    yield torch.rand(tuple(shape), generator=generator, dtype=torch.float64)
    yield torch.randn(tuple(shape), generator=generator, dtype=torch.float64)


def _another(example: Tensor, table: Tensor | None) -> Tensor:
    """Another input of the shape and type of the example: token ids of the table, else the example's in disorder."""
    generator = torch.Generator().manual_seed(0)
    if example.is_floating_point():
        return torch.randn(example.shape, generator=generator, dtype=torch.float64).to(example.dtype)
    if table is not None:
        move = torch.randint(1, max(len(table), 2), example.shape, generator=generator)  # another id at every place
        return ((example + move) % len(table)).to(example.dtype)
    return example.flatten()[torch.randperm(example.numel(), generator=generator)].reshape(example.shape)


def _close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    if a.shape != b.shape or a.numel() == 0:
        return a.shape == b.shape
    a, b = a.double(), b.double()
    finite = torch.isfinite(a) & torch.isfinite(b)
    same = bool(((a == b) | finite | (torch.isnan(a) & torch.isnan(b))).all())
    difference, size = (torch.where(finite, part, 0.0).abs().max() for part in (a - b, b))
    return same and float(difference) <= tolerance * float(1 + size)


def _tolerance(program: ExportedProgram) -> float:
    """What rounding may change of the output, by the coarsest float type that the program computes in."""
    values = [fx.meta.get("val") for fx in program.graph.nodes]
    types = {v.dtype for v in values if isinstance(v, Tensor) and v.is_floating_point()}
    return 1e-1 if any(torch.finfo(dtype).bits < 32 for dtype in types) else 1e-3
