"""Model → exported program → Graph."""

import operator
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import Node as FxNode

from lipcert.errors import InputError, UnsupportedError, UsageError, ViolationError
from lipcert.graph.graph import Graph, prune
from lipcert.graph.lowering.state import Lowering
from lipcert.graph.lowering.table import LOWER


def capture(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """Export a module for these inputs, each with a leading batch axis of 1.

    Raises UnsupportedError where the module is in train mode or its control flow depends on data.
    """
    training = [name or "the module itself" for name, part in module.named_modules() if part.training]
    if training:
        raise UnsupportedError(
            f"train mode: {_some(training)}. Dropout and batch statistics have no Lipschitz bound.",
            hint="Call model.eval() first.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(module, inputs)
    except Exception as error:  # torch.export raises many kinds, none of them documented as its contract
        raise UnsupportedError(
            f"the network cannot be captured for inputs {[tuple(x.shape) for x in inputs]}: {_first_line(error)}",
            hint="A wrong --input shape and control flow that depends on data are the usual reasons; "
            "torch.export.export(model, inputs) shows the whole story.",
        ) from error


def trace(program: ExportedProgram, inputs: tuple[Tensor, ...], *, output: str = "") -> Graph:
    """Lower an exported program to core operations.

    `run_decompositions({})` makes it functional (in-place operations and views become pure) and
    leaves layers whole. The first user input is the source; the others are fixed at `inputs`.
    output: the name of an entry of a dict or tuple output; needed where there are several.
    Raises UnsupportedError naming every operation that has no lowering, with its module path.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if program.range_constraints:  # dynamic shapes: the claim is about the shapes given here
            program = torch.export.export(program.module(), inputs)
        program = program.run_decompositions({})
    _refuse_mutation(program)
    values = _placeholders(program, inputs)
    graph, place = _lower(program, values, output)
    _check_against(program, graph, inputs, place)
    return graph


def operations(program: ExportedProgram) -> list[tuple[str, bool]]:
    """Every operation on the input's way, in order, by its exported name, and whether it can be lowered."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = program.run_decompositions({})
    specs = program.graph_signature.input_specs
    users = [spec.arg.name for spec in specs if spec.kind == InputKind.USER_INPUT]
    depends, found = {users[0]}, []
    for fx in program.graph.nodes:
        if fx.op == "call_function" and depends & {argument.name for argument in fx.all_input_nodes}:
            depends.add(fx.name)
            if fx.target is not operator.getitem:
                found.append((str(fx.target), str(fx.target) in LOWER))
    return found


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _refuse_mutation(program: ExportedProgram) -> None:
    kinds = (OutputKind.BUFFER_MUTATION, OutputKind.USER_INPUT_MUTATION)
    changed = [str(spec.target) for spec in program.graph_signature.output_specs if spec.kind in kinds]
    if changed:
        raise UnsupportedError(
            f"the network changes its own state in the forward pass: {_some(changed)} (batch statistics in "
            "train mode do this).",
            hint="Export it in eval mode.",
        )


def _placeholders(program: ExportedProgram, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """The value of every placeholder: weights, buffers, constants, and the user's inputs in order."""
    state: dict[str, Any] = {**program.constants, **program.state_dict}
    specs = program.graph_signature.input_specs
    users = [spec.arg.name for spec in specs if spec.kind == InputKind.USER_INPUT]
    if len(users) != len(inputs):
        raise UsageError(
            f"the network takes {len(users)} inputs, {len(inputs)} were given.",
            hint="Give one --input SHAPE for each, in order.",
        )
    weights = {spec.arg.name: state.get(spec.target or "") for spec in specs if spec.kind != InputKind.USER_INPUT}
    tensors = {name: value for name, value in weights.items() if isinstance(value, Tensor)}
    return {**tensors, **dict(zip(users, inputs, strict=True))}


def _lower(program: ExportedProgram, values: dict[str, Tensor], output: str) -> tuple[Graph, int]:
    """The graph, and the place of its output among the program's outputs."""
    specs = program.graph_signature.input_specs
    users = [spec.arg.name for spec in specs if spec.kind == InputKind.USER_INPUT]
    source = users[0]
    _require_floats(source, values[source])
    state = Lowering(dict(values), source)
    problems: dict[str, list[str]] = {}
    place, name = _output(program, output)
    for fx in _behind(program, name):
        _lower_one(state, fx, problems)
    if problems:
        raise _unsupported(problems)
    if name not in state.names:
        raise UnsupportedError(
            f"the output {name!r} does not depend on the input {source!r}.",
            hint="Its Lipschitz bound is 0; choose another --output or check the model.",
        )
    nodes = prune(state.nodes, state.names[name])
    weights = {str(s.target): values[s.arg.name] for s in specs if s.kind != InputKind.USER_INPUT and s.arg.name in values}
    fixed = {user: values[user] for user in users[1:]}
    return Graph(nodes, source, state.names[name], weights, fixed), place


def _behind(program: ExportedProgram, name: str) -> list[FxNode]:
    """The operations that the value `name` depends on, in their order."""
    needed = {name}
    for fx in reversed(program.graph.nodes):
        if fx.name in needed:
            needed.update(argument.name for argument in fx.all_input_nodes)
    return [fx for fx in program.graph.nodes if fx.name in needed and fx.op == "call_function"]


def _require_floats(name: str, value: Tensor) -> None:
    if not value.is_floating_point():
        raise UnsupportedError(
            f"the input {name!r} holds {value.dtype} values; a Lipschitz bound needs real inputs.",
            hint="For token ids, bound from the embedding's output instead.",
        )
    if value.dim() == 0 or value.shape[0] != 1:
        raise InputError(
            f"the example input has shape {tuple(value.shape)}; a batch of one, (1, …), is needed.",
        )


def _lower_one(state: Lowering, fx: FxNode, problems: dict[str, list[str]]) -> None:
    path = _module_path(fx)
    if any(state.depends(arg) for arg in fx.all_input_nodes):
        lower = LOWER.get("getitem" if fx.target is operator.getitem else str(fx.target))
        reason = "no rule for this operation" if lower is None else lower(state, fx, path)
    elif torch.Tag.nondeterministic_seeded in getattr(fx.target, "tags", ()):
        reason = "it is random"
    else:
        reason = state.fold(fx)
    if reason:
        problems.setdefault(f"{fx.target}: {reason}", []).append(path or "(top level)")
        state.give_up(fx)


def _module_path(fx: FxNode) -> str:
    stack: Mapping[str, Any] = fx.meta.get("nn_module_stack") or {}
    paths = [entry[0] for entry in stack.values()]
    return str(paths[-1]) if paths else ""


def _unsupported(problems: Mapping[str, list[str]]) -> UnsupportedError:
    lines = [f"  {what}\n    at {_some(list(dict.fromkeys(paths)))}" for what, paths in problems.items()]
    return UnsupportedError(
        "the network uses operations that lipcert cannot bound:\n" + "\n".join(lines),
        hint="`lipcert ops` lists what can be bounded.",
    )


def _output(program: ExportedProgram, wanted: str) -> tuple[int, str]:
    """Place and fx name of the output chosen; outputs of dicts and tuples are named by their keys."""
    specs = [s for s in program.graph_signature.output_specs if s.kind == OutputKind.USER_OUTPUT]
    tree = program.call_spec.out_spec
    assert tree is not None  # an exported program always has one
    paths, _ = torch.utils._pytree.tree_flatten_with_path(
        torch.utils._pytree.tree_unflatten(list(range(len(specs))), tree)
    )
    named = {_key_text(path) or "output": (i, specs[i].arg.name) for path, i in paths}
    if wanted in named:
        return named[wanted]
    if not wanted and len(named) == 1:
        return next(iter(named.values()))
    seen = f"there is no output {wanted!r}" if wanted else f"the network has {len(named)} outputs"
    raise UsageError(f"{seen}.", hint=f"Choose one with --output: {', '.join(named)}.")


def _key_text(path: tuple[Any, ...]) -> str:
    return ".".join(str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path)


def _check_against(program: ExportedProgram, graph: Graph, inputs: tuple[Tensor, ...], place: int) -> None:
    """Guard against a wrong lowering: on a random input the graph must agree with the program."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(inputs[0].shape, generator=generator, dtype=torch.float64).to(inputs[0].dtype)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        there = torch.utils._pytree.tree_leaves(program.module()(x, *inputs[1:]))[place].double()
        here = graph(x.double())[0]
    if not bool(torch.isfinite(there).all()):
        raise InputError("the network's output on a random input in [0, 1] is not finite.")
    tolerance = 1e-1 if inputs[0].dtype in (torch.float16, torch.bfloat16) else 1e-3
    if not float((there - here).abs().max()) <= tolerance * float(1 + here.abs().max()):
        raise ViolationError(
            "the captured graph does not compute what the network computes, so nothing is claimed about it.",
            hint="This is a bug in lipcert; please report it with the model's architecture.",
        )
