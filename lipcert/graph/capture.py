"""Model → exported program → Graph."""

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node as FxNode

from lipcert.errors import InputError, UnsupportedError
from lipcert.graph.agree import require_same_graph, require_same_program
from lipcert.graph.graph import Graph, prune
from lipcert.graph.lowering.refusals import why_not
from lipcert.graph.lowering.state import Lowering
from lipcert.graph.lowering.table import LOWER
from lipcert.graph.program import (
    Inputs,
    behind,
    find_output,
    functional,
    not_captured,
    quiet,
    user_inputs,
    weights,
)
from lipcert.rules.types import Node


def capture(module: torch.nn.Module, inputs: Inputs) -> ExportedProgram:
    """Export a module for these inputs, each with a leading batch axis of 1.

    Raises UnsupportedError where the module is in train mode, its control flow depends on data, or the
    exported program computes something else than the module.
    """
    training = [name or "the module itself" for name, part in module.named_modules() if part.training]
    if training:
        raise UnsupportedError(
            f"train mode: {_some(training)}. Dropout and batch statistics have no Lipschitz bound.",
            hint="Call model.eval() first.",
        )
    try:
        with quiet():
            program = torch.export.export(module, inputs)
            require_same_program(module, program, inputs)
    except UnsupportedError:
        raise
    except Exception as error:  # torch.export raises many kinds, none of them documented as its contract
        raise not_captured(inputs, error) from error
    return program


def trace(program: ExportedProgram, inputs: Inputs, *, output: str = "") -> Graph:
    """Lower an exported program to core operations.

    `run_decompositions({})` makes it functional (in-place operations and views become pure) and
    leaves layers whole. The first user input is the source; the others are fixed at `inputs`.
    output: the name of an entry of a dict or tuple output; needed where there are several.
    Raises UnsupportedError naming every operation that has no lowering, with its module path.
    """
    program = functional(program, inputs)
    place, name = find_output(program, output)
    graph = lower(program, inputs, name)
    require_same_graph(program, graph, inputs, place)
    return graph


def operations(program: ExportedProgram) -> list[tuple[str, bool]]:
    """Every operation on the input's way, in order, by its exported name, and whether it can be lowered."""
    with quiet():
        program = program.run_decompositions({})
    depends, found = {user_inputs(program)[0]}, []
    for fx in program.graph.nodes:
        if fx.op == "call_function" and depends & {argument.name for argument in fx.all_input_nodes}:
            depends.add(fx.name)
            if fx.target is not operator.getitem:
                found.append((str(fx.target), str(fx.target) in LOWER))
    return found


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def lower(program: ExportedProgram, inputs: Inputs, output: str) -> Graph:
    """The graph behind one value of a program that is functional already, by the value's name in it."""
    source, *others = user_inputs(program)
    _require_floats(source, inputs[0])
    stored, fixed = weights(program), dict(zip(others, inputs[1:], strict=True))
    constants = {name: value for name, (_, value) in stored.items()} | fixed
    state = Lowering(constants, source, tuple(inputs[0].shape))
    steps = behind(program, output)
    _require_numbers(program, steps)
    problems: dict[str, list[str]] = {}
    for fx in steps:
        _lower_one(state, fx, problems)
    if problems:
        raise _unsupported(problems)
    if output not in state.names:
        raise UnsupportedError(
            f"the output does not depend on the input {source!r}.",
            hint="Its Lipschitz bound is 0; choose another --output or check the model.",
        )
    nodes = prune(state.nodes, state.names[output])
    _require_entries(nodes)
    return Graph(nodes, source, state.names[output], dict(stored.values()), fixed)


def _require_floats(name: str, value: Tensor) -> None:
    if not value.is_floating_point():
        raise UnsupportedError(
            f"the input {name!r} holds {value.dtype} values; a Lipschitz bound needs real inputs.",
            hint="For token ids, bound from the embedding's output; for complex numbers, take real and "
            "imaginary part as two channels.",
        )
    if value.dim() == 0 or value.shape[0] != 1:
        raise InputError(
            f"the example input has shape {tuple(value.shape)}; a batch of one, (1, …), is needed.",
            hint="Add a leading axis of 1: x[None] of one example.",
        )


def _require_numbers(program: ExportedProgram, steps: list[FxNode]) -> None:
    """No NaN in what is used; infinity only in buffers and constants, where it may be a mask."""
    used = {argument.name for fx in steps for argument in fx.all_input_nodes}
    parameters = program.graph_signature.parameters
    bad = [
        name
        for key, (name, value) in weights(program).items()
        if key in used and not bool((value.isfinite() if name in parameters else ~value.isnan()).all())
    ]
    if bad:
        raise InputError(
            f"weights that hold NaN or infinity: {_some(bad)}.",
            hint="No bound holds for them: train again, or look for what went wrong when they were saved.",
        )


def _require_entries(nodes: Mapping[str, Node]) -> None:
    empty = [node.path or node.name for node in nodes.values() if node.size == 0]
    if empty:
        raise UnsupportedError(
            f"tensors without entries: {_some(empty)}.", hint="Check the input shape and the slices in the model."
        )


def _lower_one(state: Lowering, fx: FxNode, problems: dict[str, list[str]]) -> None:
    stack: Mapping[str, Any] = fx.meta.get("nn_module_stack") or {}
    path = str([("",), *stack.values()][-1][0])
    reason = _reason(state, fx, path)
    if reason:
        if str(fx.target) not in LOWER or not state.behind_unknown(fx):
            problems.setdefault(f"{fx.target}: {reason}", []).append(path or "(top level)")
        state.give_up(fx)


def _reason(state: Lowering, fx: FxNode, path: str) -> str | None:
    """Lower or fold one operation; why it cannot be."""
    lower_it = LOWER.get("getitem" if fx.target is operator.getitem else str(fx.target))
    if not any(state.depends(argument) for argument in fx.all_input_nodes):
        random = torch.Tag.nondeterministic_seeded in getattr(fx.target, "tags", ())
        return why_not(fx) if random else state.fold(fx)
    if lower_it is None:
        return why_not(fx)
    try:
        reason = lower_it(state, fx, path)
    except UnsupportedError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - operations come in more forms than the rules foresee
        return f"this form of it ({type(error).__name__}: {error})"
    value = fx.meta["val"]
    first = value[0] if isinstance(value, list | tuple) else value
    if not reason and state.depends(fx) and not first.is_floating_point():
        return f"its values are {first.dtype}"
    return reason


def _unsupported(problems: Mapping[str, list[str]]) -> UnsupportedError:
    lines = [f"  {what}\n    at {_some(list(dict.fromkeys(paths)))}" for what, paths in problems.items()]
    return UnsupportedError(
        "the network uses operations that lipcert cannot bound:\n" + "\n".join(lines),
        hint="`lipcert ops` lists what can be bounded.",
    )
