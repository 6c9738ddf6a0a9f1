"""Guards: the module, its exported program and the graph must compute the same on some inputs."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from lipcert.errors import InputError, UnsupportedError, ViolationError
from lipcert.graph.graph import Graph
from lipcert.graph.program import Inputs, arguments, quiet, runner


def require_same_program(module: torch.nn.Module, program: ExportedProgram, inputs: Inputs) -> None:
    """A module may do something else while it is exported, or draw numbers unknown to torch.

    It is run twice: some modules are different from the second call on.
    """
    tags = (getattr(fx.target, "tags", ()) for fx in program.graph.nodes)
    if any(torch.Tag.nondeterministic_seeded in tag for tag in tags):
        return  # refused by name, with its module, when it is lowered
    with quiet():
        expected, *again = (_outputs(part, inputs) for part in (program.module(), module, module))
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
    compared, run = False, runner(program)
    for x in _probes(inputs[0]):
        probe = (x, *inputs[1:])
        there: Tensor = run(probe)[place].double()
        if not bool(torch.isfinite(there).all()):
            continue
        compared = True
        with torch.no_grad():
            here = graph(x.double())[0]
        if not _close(there, here, _tolerance(program)) and not _same_in_float64(program, probe, place, here):
            raise ViolationError(
                "the captured graph does not compute what the network computes, so nothing is claimed of it.",
                hint="This is a bug in lipcert; please report it with the model's architecture.",
            )
    if not compared:
        raise InputError(
            "the network's output is not finite, neither on the example input nor on random ones.",
            hint="Look for infinite weights and for logarithms, roots and quotients outside their domain.",
        )


def _same_in_float64(program: ExportedProgram, inputs: Inputs, place: int, here: Tensor) -> bool:
    """Whether they agree once every float is a float64: chaotic networks differ in float32 by rounding alone."""
    with quiet(), torch.no_grad():
        module = program.module()
        state = {name: _double(x) for name, x in (*module.named_parameters(), *module.named_buffers())}
        args, kwargs = arguments(program, tuple(_double(x) for x in inputs))
        try:
            outputs = torch.func.functional_call(module, state, args, kwargs)
        except Exception:  # noqa: BLE001 - operations that insist on their types
            return False
    return _close(pytree.tree_leaves(outputs)[place], here, 1e-6)


def _double(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x


def _probes(example: Tensor) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    yield example
    yield torch.rand(example.shape, generator=generator, dtype=torch.float64).to(example.dtype)
    yield torch.randn(example.shape, generator=generator, dtype=torch.float64).to(example.dtype)


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
