"""Model → exported program → Graph."""

import operator
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node as FxNode

from lipcert.checkpoint.model import Model
from lipcert.errors import InputError, UnsupportedError
from lipcert.graph import reasons
from lipcert.graph.agree import require_same_graph, require_same_program
from lipcert.graph.fuse import fuse
from lipcert.graph.graph import Graph
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
    refuse_renormalised,
    user_inputs,
    weights,
)
from lipcert.graph.reasons import some
from lipcert.graph.source import find_source, module_path, values_read
from lipcert.rules.types import Node


def capture(module: torch.nn.Module, inputs: Inputs) -> ExportedProgram:
    """Export a module for these inputs, each with a leading batch axis of 1.

    Raises UnsupportedError where the module is in train mode, its control flow depends on data, or the
    exported program computes something else than the module.
    """
    training = [name or "the module itself" for name, part in module.named_modules() if part.training]
    if training:
        raise UnsupportedError(
            f"train mode: {some(training)}. Dropout and batch statistics have no Lipschitz bound."
            + _besides(reasons.parts(module)),
            hint="Call model.eval() first.",
        )
    try:
        with quiet():
            program = torch.export.export(module, inputs)
            refuse_renormalised(program)
            require_same_program(module, program, inputs)
    except Exception as error:  # torch.export raises many kinds, none of them documented as its contract
        refusal = error if isinstance(error, UnsupportedError) else not_captured(inputs, error)
        raise UnsupportedError(refusal.message + _besides(reasons.all_of(module, inputs)), hint=refusal.hint) from error
    return program


def _besides(found: Mapping[str, list[str]]) -> str:
    """More that speaks against a module, as lines of a message."""
    return "\nIts parts cannot be bounded either:\n" + "\n".join(reasons.lines(found)) if found else ""


def captured(model: Model) -> ExportedProgram:
    """The program of a loaded model; its module is exported for its example inputs."""
    if model.program is not None:
        return model.program
    assert model.module is not None  # a Model is one or the other
    return capture(model.module, model.example_inputs)


def trace(program: ExportedProgram, inputs: Inputs, *, output: str = "", source: str = "") -> Graph:
    """Lower an exported program to core operations, from the source to the output.

    `run_decompositions({})` makes it functional (in-place operations and views become pure) and
    leaves layers whole. What does not depend on the source is fixed at its value for `inputs`.
    output: the name of an entry of a dict or tuple output; needed where there are several.
    source: "" for the first input (token ids: for what their embedding returns), "embedding" for the one embedding
    that looks up an input, else the path of the module whose output is perturbed.
    Raises UnsupportedError naming every operation that has no lowering, with its module path.
    """
    program = functional(program, inputs)
    place, name = find_output(program, output)
    graph = lower(program, inputs, name, source)
    require_same_graph(program, graph, inputs, place)
    return graph


def operations(program: ExportedProgram, inputs: Inputs, *, source: str = "") -> list[tuple[str, bool]]:
    """Every operation on the way from the source to an output, in order, by its exported name, and whether it can be
    lowered."""
    program = functional(program, inputs)
    depends, found = {find_source(program, source).name}, []
    for fx in behind(program, program.graph.output_node().name):
        if depends & {argument.name for argument in fx.all_input_nodes}:
            depends.add(fx.name)
            if fx.target is not operator.getitem:
                found.append((str(fx.target), str(fx.target) in LOWER))
    return found


def lower(program: ExportedProgram, inputs: Inputs, output: str, source: str = "") -> Graph:
    """The graph behind one value of a program that is functional already, by the value's name in it."""
    start = find_source(program, source, output)
    given = dict(zip(user_inputs(program), inputs, strict=True))
    stored = weights(program)
    constants = {name: value for name, (_, value) in stored.items()} | given
    state = Lowering(constants, start.name, start.shape)
    _require_numbers(program, behind(program, output))
    problems: dict[str, list[str]] = {}
    for fx in behind(program, output, start.name):
        _lower_one(state, fx, problems)
    if problems:
        raise _unsupported(problems)
    if output not in state.names:
        raise UnsupportedError(
            f"the output does not depend on the source {start.name!r}.",
            hint="Its Lipschitz bound is 0; choose another --output or check the model.",
        )
    nodes = fuse(state.nodes, state.names[output])
    _require_entries(nodes)
    fixed = _fixed(program, given, output, start.name)
    return Graph(nodes, start.name, state.names[output], dict(stored.values()), fixed, start.table, start.path)


def _fixed(program: ExportedProgram, given: Mapping[str, Tensor], output: str, source: str) -> dict[str, Tensor]:
    """The inputs that belong to the claim: all others, or those that are read besides a source inside."""
    read = set(given) if source in given else values_read(program, output, source)
    return {name: value for name, value in given.items() if name in read and name != source}


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
            f"weights that hold NaN or infinity: {some(bad)}.",
            hint="No bound holds for them: train again, or look for what went wrong when they were saved.",
        )


def _require_entries(nodes: Mapping[str, Node]) -> None:
    empty = [node.path or node.name for node in nodes.values() if node.size == 0]
    if empty:
        raise UnsupportedError(
            f"tensors without entries: {some(empty)}.", hint="Check the input shape and the slices in the model."
        )


def _lower_one(state: Lowering, fx: FxNode, problems: dict[str, list[str]]) -> None:
    path = module_path(fx)
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
    return UnsupportedError(
        "the network uses operations that lipcert cannot bound:\n" + "\n".join(reasons.lines(problems)),
        hint="`lipcert ops` lists what can be bounded.",
    )
