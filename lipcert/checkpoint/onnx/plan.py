"""An ONNX graph run once on example inputs: what is known before, what is computed, and what it needs as weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lipcert.checkpoint.onnx.file import node_name, refusal, version
from lipcert.checkpoint.onnx.joins import joined
from lipcert.checkpoint.onnx.ops.call import Call, Op, Step
from lipcert.checkpoint.onnx.ops.table import OPS
from lipcert.checkpoint.onnx.tensors import attributes, dtype_of, to_torch
from lipcert.errors import InputError, ResourceError, UnsupportedError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_SHAPES_ALONE = ("Shape", "Size")


@dataclass(frozen=True)
class Plan:
    """steps: in order, those that the outputs depend on. constants: what these read, weights, and integers worked out
    from shapes.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    constants: Mapping[str, Tensor]


@dataclass
class _Run:
    """The values so far, those that depend on the inputs, and why nodes cannot be understood."""

    path: Path
    version: int
    read: set[str]
    values: dict[str, Tensor]
    live: set[str]
    constants: dict[str, Tensor]
    steps: list[Step] = field(default_factory=list)
    problems: dict[str, list[str]] = field(default_factory=dict)


def plan(model: "ModelProto", names: Sequence[str], inputs: Sequence[Tensor], path: Path) -> Plan:
    """inputs: in the shapes of the file. Raises UnsupportedError with all reasons, InputError where shapes clash."""
    graph, run = model.graph, _start(model, names, inputs, path)
    with torch.no_grad():
        for node in graph.node:
            if node.op_type != "Constant":
                _one(run, node)
    if run.problems:
        raise refusal(path, run.problems)
    outputs = tuple(value.name for value in graph.output)
    steps, needed = [], set(outputs)
    for step in reversed(joined(run.steps, run.constants, outputs)):
        if needed & set(step.outputs):
            steps.append(step)
            needed.update(name for name in step.inputs if name is not None)
    constants = {name: value for name, value in run.constants.items() if name in needed}
    return Plan(tuple(names), outputs, tuple(reversed(steps)), constants)


def _start(model: "ModelProto", names: Sequence[str], inputs: Sequence[Tensor], path: Path) -> _Run:
    graph = model.graph
    constants = {tensor.name: to_torch(tensor, path) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node, version(model), path)
    values = constants | dict(zip(names, inputs, strict=True))
    read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    return _Run(path, version(model), read, values, set(names), constants)


def _constant(node: "NodeProto", number: int, path: Path) -> Tensor:
    given = attributes(node, number, path)
    name, value = next(iter(given.items()), ("", None))
    if isinstance(value, Tensor):
        return value
    if name not in ("value_float", "value_floats", "value_int", "value_ints"):
        raise refusal(path, {f"Constant: {name or 'no value'}": [node_name(node)]})
    return torch.tensor(value, dtype=torch.float32 if "float" in name else torch.int64)


def _one(run: _Run, node: "NodeProto") -> None:
    """Runs one node, unless a value before it is missing because its own node has been given up."""
    if any(name and name not in run.values for name in node.input):
        return
    name = node_name(node)
    try:
        step = _step(run, node, name)
        made = compute(step, run.values, step.call)
        _require_all_outputs(run, node, len(made))
    except ResourceError:
        raise
    except UnsupportedError as error:
        run.problems.setdefault(f"{node.op_type}: {error.message}", []).append(name)
        return
    except Exception as error:  # torch raises many kinds where shapes and types do not fit
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        shapes = ", ".join(str(tuple(run.values[name].shape)) for name in node.input if name)
        raise InputError(
            f"{run.path}: node {name} ({node.op_type}) does not fit its inputs of shape {shapes}: {line[:200]}",
            hint="Graph and weights, or graph and --input, do not belong together: check the shape, or export again.",
        ) from error
    _keep(run, step, made)


def _keep(run: _Run, step: Step, made: Sequence[Tensor]) -> None:
    """Floating-point values are computed again in forward; others that no input changes are constants."""
    found = dict(zip(step.outputs, made, strict=False))
    run.values |= found
    fixed = step.call.op in _SHAPES_ALONE or not step.call.live
    if not fixed:
        run.live |= set(found)
    if fixed and not any(value.is_floating_point() for value in made):
        run.constants |= found
    else:
        run.steps.append(step)


def _step(run: _Run, node: "NodeProto", name: str) -> Step:
    op, given = OPS[node.op_type], attributes(node, run.version, run.path)
    given |= {"outputs": len(node.output)}
    live = frozenset(place for place, value in enumerate(node.input) if value in run.live)
    known = _known(run, node, op, live)
    call = Call(node.op_type, _since(node, run.version), given, known, live, _dtype(node, given))
    kept = tuple(value if value and place not in known else None for place, value in enumerate(node.input))
    return Step(name, call, kept, tuple(node.output))


def _since(node: "NodeProto", number: int) -> int:
    """The version of the operation itself."""
    from onnx import defs

    return int(defs.get_schema(node.op_type, number).since_version)


def _known(run: _Run, node: "NodeProto", op: Op, live: frozenset[int]) -> dict[int, Any]:
    known = {}
    for place, name in enumerate(node.input):
        if not name or place not in (*op.known, *op.constant, *op.single):
            continue
        value = run.values[name]
        if place not in live and (place not in op.single or value.numel() == 1):
            known[place] = value.tolist()
        elif place in op.known:
            raise UnsupportedError(f"its input {name} depends on the values of the network's input")
    return known


def _dtype(node: "NodeProto", given: Mapping[str, Any]) -> torch.dtype | None:
    if node.op_type == "ConstantOfShape":
        value = given.get("value")
        return torch.float32 if value is None else value.dtype
    return dtype_of(given["to"], f"what {node_name(node)} casts to") if node.op_type == "Cast" else None


def _require_all_outputs(run: _Run, node: "NodeProto", count: int) -> None:
    extra = [name for name in list(node.output)[count:] if name in run.read]
    if extra:
        raise UnsupportedError(f"its output {', '.join(extra)} has no rule")


def compute(step: Step, values: Mapping[str, Tensor], call: Call) -> tuple[Tensor, ...]:
    """The outputs of a step, from the values before it."""
    inputs = [None if name is None else values[name] for name in step.inputs]
    made = OPS[call.op].function(call, inputs)
    return made if isinstance(made, tuple) else (made,)


def with_dtype(call: Call, dtype: torch.dtype) -> Call:
    return replace(call, dtype=dtype)
