"""Checked parts → ExportedProgram with fixed sizes, and its example inputs."""

import json
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from lipcert.checkpoint import program_text
from lipcert.errors import InputError, LipcertError, UnsupportedError

AGAIN = "Export the model again: torch.export.save(torch.export.export(model.eval(), inputs), path)."


@dataclass(frozen=True)
class Parts:
    """What a torch.export archive holds, none of it left to unpickle.

    text: the graph, cleaned by `program_text`. recorded: the (args, kwargs) it was exported with, if kept.
    """

    text: dict[str, Any]
    state: dict[str, Tensor]
    constants: dict[str, Tensor]
    recorded: tuple[Any, ...] | None


def build(parts: Parts, source: str) -> tuple[ExportedProgram, tuple[Tensor, ...]]:
    """The program and its example inputs, flat and in the order of its placeholders.

    A symbolic first size becomes one and the other symbolic sizes those of the recorded example: shapes
    belong to a claim. Raises InputError, UnsupportedError.
    """
    program = _deserialise(parts, source)
    _check_targets(program, source)
    _check_shapes(program, {**program.state_dict, **program.constants}, source)
    inputs = _example_inputs(program, parts.recorded, source)
    return _fixed(program, inputs, source) if _symbolic(program) else (program, inputs)


def _deserialise(parts: Parts, source: str) -> ExportedProgram:
    from torch._export.serde.serialize import SerializedArtifact, deserialize

    content = json.dumps(parts.text).encode()
    # deserialize() unpickles bytes and passes dicts and tuples through: the checked JSON is all its bytes.
    artifact = SerializedArtifact(content, parts.state, parts.constants, ())  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return deserialize(artifact)
        except Exception as error:  # a hostile graph can make torch fail in any way; none is a crash
            what = f"{source} has a graph that torch {torch.__version__} cannot read"
            raise _refusal(InputError, what, error) from error


def _check_targets(program: ExportedProgram, source: str) -> None:
    """The second lock: what the targets resolved to, whatever their text was."""
    known = {program_text.resolve(name) for name in program_text.OTHER_TARGETS}
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            if node.op == "call_function" and not _is_aten(node.target) and node.target not in known:
                raise InputError(f"{source}: node {node.name} calls {node.target}, no operator", hint=AGAIN)


def _is_aten(target: object) -> bool:
    return isinstance(target, torch._ops.OpOverload) and target.namespace in ("aten", "prims")


def _check_shapes(program: ExportedProgram, tensors: dict[str, Tensor], source: str) -> None:
    """What the graph says of the shape and dtype of each weight must be true: all else is derived from it."""
    signature = program.graph_signature
    targets = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    for node in program.graph.find_nodes(op="placeholder"):
        if node.name not in targets:
            continue
        said, held = node.meta["val"], tensors[targets[node.name]]
        if (tuple(said.shape), said.dtype) != (tuple(held.shape), held.dtype):
            raise InputError(
                f"{source}: {targets[node.name]} is {said.dtype} {tuple(said.shape)} in the graph and "
                f"{held.dtype} {tuple(held.shape)} among the weights",
                hint=AGAIN,
            )


def _inputs(program: ExportedProgram) -> list[Tensor]:
    """The fake tensors of the placeholders that a caller fills."""
    wanted = set(program.graph_signature.user_inputs)
    return [node.meta["val"] for node in program.graph.find_nodes(op="placeholder") if node.name in wanted]


def _is_symbolic(size: object) -> bool:
    return isinstance(size, torch.SymInt)


def _symbolic(program: ExportedProgram) -> bool:
    return any(_is_symbolic(size) for each in _inputs(program) for size in each.shape)


def _example_inputs(program: ExportedProgram, recorded: tuple[Any, ...] | None, source: str) -> tuple[Tensor, ...]:
    """The recorded inputs, or, where none are, uniform ones of the shapes that were exported."""
    expected = _inputs(program)
    if not expected or not all(isinstance(each, Tensor) for each in expected):
        raise UnsupportedError(f"{source} takes inputs that are not tensors", hint=AGAIN)
    if recorded is None:
        generator = torch.Generator().manual_seed(0)
        shapes = [[int(size) for size in each.shape] for each in expected]
        return tuple(
            torch.rand(shape, generator=generator).to(each.dtype) for shape, each in zip(shapes, expected, strict=True)
        )
    given = pytree.tree_leaves(recorded)
    fits = len(given) == len(expected) and all(map(_fits, given, expected))
    if not fits:
        raise InputError(f"{source} records example inputs that its own graph does not take", hint=AGAIN)
    return tuple(each.detach() for each in given)


def _fits(given: object, expected: Tensor) -> bool:
    return (
        isinstance(given, Tensor)
        and given.dtype == expected.dtype
        and given.dim() == expected.dim()
        and all(_is_symbolic(n) or n == m for n, m in zip(expected.shape, given.shape, strict=True))
    )


def _fixed(
    program: ExportedProgram, inputs: tuple[Tensor, ...], source: str
) -> tuple[ExportedProgram, tuple[Tensor, ...]]:
    """Exports the program once more, on a batch of one."""
    one = tuple(
        x[:1] if x.dim() and _is_symbolic(fake.shape[0]) else x
        for x, fake in zip(inputs, _inputs(program), strict=True)
    )
    args, kwargs = pytree.tree_unflatten(one, program.call_spec.in_spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.export.export(program.run_decompositions({}).module(), args, kwargs), one
        except Exception as error:  # torch.export raises whatever the network's own code raises
            shapes = ", ".join(str(tuple(x.shape)) for x in one)
            what = f"{source} has symbolic sizes and cannot be fixed to inputs of shape {shapes}"
            raise _refusal(UnsupportedError, what, error) from error


def _refusal(kind: type[LipcertError], what: str, error: Exception) -> LipcertError:
    lines = str(error).strip().splitlines()
    return kind(f"{what}: {lines[-1][:300] if lines else type(error).__name__}", hint=AGAIN)
