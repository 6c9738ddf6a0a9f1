"""An exported program for given inputs: what it takes, what it returns, and its operations made pure."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind, TensorArgument
from torch.fx import Node as FxNode
from torch.utils import _pytree as pytree

from lipcert.errors import InputError, UnsupportedError, UsageError

Inputs = tuple[Tensor, ...]


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings of torch's exporter, which are about its own future, and no log: what fails is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(level)


def functional(program: ExportedProgram, inputs: Inputs) -> ExportedProgram:
    """The program for exactly these inputs, without in-place operations and views, its layers whole.

    Raises InputError and UsageError where the inputs do not fit, UnsupportedError where the program changes
    its own state or cannot be captured for these shapes.
    """
    _require_fit(program, inputs)
    refuse_renormalised(program)
    try:
        with quiet():
            if program.range_constraints:  # dynamic shapes: the claim is about the shapes given here
                args, kwargs = arguments(program, inputs)
                program = torch.export.export(program.run_decompositions({}).module(), args, kwargs)
            program = program.run_decompositions({})
    except Exception as error:  # torch.export raises many kinds, none of them documented as its contract
        raise not_captured(inputs, error) from error
    _refuse_mutation(program)
    return program


def not_captured(inputs: Inputs, error: Exception) -> UnsupportedError:
    """What to say where torch.export fails."""
    shapes = [tuple(getattr(x, "shape", ())) for x in inputs]
    lines = str(error).strip().splitlines() or [""]
    return UnsupportedError(
        f"the network cannot be captured for inputs {shapes}: {type(error).__name__}: {lines[0][:300]}",
        hint=next((hint for words, hint in _HINTS if words in str(error)), _HINT),
    )


_HINT = (
    "A wrong --input shape and control flow that depends on data are the usual reasons; "
    "torch.export.export(model, inputs) shows the whole story."
)
_HINTS = (
    ("argument #1 'indices'", "Its embedding takes token ids, and was given floats: --input ids:T for T tokens."),
    (
        "index out of range",
        "A token id is beyond the embedding's rows: check the example input, and the length T of it.",
    ),
)
"""What torch says of token ids, and what to do."""


def user_inputs(program: ExportedProgram) -> list[str]:
    """The names of the inputs, in order; the first one is perturbed."""
    specs = program.graph_signature.input_specs
    return [spec.arg.name for spec in specs if spec.kind == InputKind.USER_INPUT]


def arguments(program: ExportedProgram, inputs: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The inputs as the arguments and keyword arguments that the program was exported with."""
    tree = program.call_spec.in_spec
    assert tree is not None  # an exported program always has one
    args, kwargs = pytree.tree_unflatten(list(inputs), tree)
    return tuple(args), dict(kwargs)


def runner(program: ExportedProgram) -> Callable[[Inputs], list[Any]]:
    """The program as a function from its inputs to its outputs, in order."""
    with quiet():
        module = program.module()

    def run(inputs: Inputs) -> list[Any]:
        args, kwargs = arguments(program, inputs)
        with torch.no_grad(), quiet():
            return list(pytree.tree_leaves(module(*args, **kwargs)))

    return run


def weights(program: ExportedProgram) -> dict[str, tuple[str, Tensor]]:
    """Placeholder → (name, value) of every parameter, buffer and constant."""
    state: dict[str, Any] = {**program.constants, **program.state_dict}
    found = {}
    for spec in program.graph_signature.input_specs:
        name = str(spec.target)
        if spec.kind != InputKind.USER_INPUT and isinstance(state.get(name), Tensor):
            found[spec.arg.name] = name, state[name]
    return found


def needed(program: ExportedProgram, name: str, cut: Callable[[FxNode], bool]) -> set[str]:
    """The names of the values that the value `name` depends on, itself included; not those behind a cut."""
    found = {name}
    for fx in reversed(program.graph.nodes):
        if fx.name in found and not cut(fx):
            found.update(argument.name for argument in fx.all_input_nodes)
    return found


def behind(program: ExportedProgram, name: str, source: str = "") -> list[FxNode]:
    """The operations that the value `name` depends on once `source` is given, in their order."""
    found = needed(program, name, lambda fx: fx.name == source) - {source}
    return [fx for fx in program.graph.nodes if fx.name in found and fx.op == "call_function"]


def find_output(program: ExportedProgram, wanted: str) -> tuple[int, str]:
    """Place and name in the graph of the output chosen; entries of dicts and tuples are named by key."""
    specs = [s for s in program.graph_signature.output_specs if s.kind == OutputKind.USER_OUTPUT]
    tree = program.call_spec.out_spec
    assert tree is not None  # an exported program always has one
    paths, _ = pytree.tree_flatten_with_path(pytree.tree_unflatten(list(range(len(specs))), tree))
    named = {_key_text(path) or "output": (i, specs[i].arg.name) for path, i in paths}
    if len(named) < len(paths):
        raise UnsupportedError(
            "two outputs have the same name.", hint="Wrap the model so that it returns only the one to bound."
        )
    if wanted in named:
        return named[wanted]
    if not wanted and len(named) == 1:
        return next(iter(named.values()))
    seen = f"there is no output {wanted!r}" if wanted else f"the network has {len(named)} outputs"
    raise UsageError(f"{seen}.", hint=f"Choose one with --output: {', '.join(named)}.")


def _key_text(path: tuple[Any, ...]) -> str:
    return ".".join(str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path)


def _require_fit(program: ExportedProgram, inputs: Inputs) -> None:
    specs = [s for s in program.graph_signature.input_specs if s.kind == InputKind.USER_INPUT]
    other = [spec.arg.name for spec in specs if not isinstance(spec.arg, TensorArgument)]
    if other:
        raise UnsupportedError(
            f"inputs that are no tensors: {', '.join(other)}.",
            hint="Wrap the model so that it fixes them, and takes tensors only.",
        )
    if not specs or len(specs) != len(inputs):
        raise UsageError(
            f"the network takes {len(specs)} inputs, {len(inputs)} were given.",
            hint="Give one --input SHAPE for each, in order; the first one is perturbed.",
        )
    values = {fx.name: fx.meta["val"] for fx in program.graph.nodes if fx.op == "placeholder"}
    for spec, given in zip(specs, inputs, strict=True):
        _require_like(spec.arg.name, values[spec.arg.name], given)


def _require_like(name: str, captured: Tensor, given: Tensor) -> None:
    sizes: list[int | torch.SymInt] = list(captured.shape)
    fixed = [a == b for a, b in zip(sizes, given.shape, strict=False) if isinstance(a, int)]
    same = all(fixed) and captured.dim() == given.dim()
    if not same or captured.dtype != given.dtype:
        raise InputError(
            f"the input {name!r} has shape {tuple(given.shape)} and type {given.dtype}; the network was "
            f"captured for {tuple(captured.shape)} and {captured.dtype}.",
            hint="Give inputs of the shape and type that it was captured with, or capture it again.",
        )


def refuse_renormalised(program: ExportedProgram) -> None:
    """Embeddings with max_norm rewrite the rows that they look up; torch's decompositions do not even run on them."""
    found = [fx for fx in program.graph.nodes if str(fx.target).startswith("aten.embedding_renorm")]
    paths = [str([("(top level)",), *(fx.meta.get("nn_module_stack") or {}).values()][-1][0]) for fx in found]
    if found:
        raise UnsupportedError(
            f"an embedding with max_norm changes its weight in the forward pass: {', '.join(paths[:5])}.",
            hint="Renormalise the weight once, with torch.renorm, and set max_norm = None.",
        )


def _refuse_mutation(program: ExportedProgram) -> None:
    specs = program.graph_signature.output_specs
    changed = [str(spec.target) for spec in specs if spec.kind.name.endswith("_MUTATION")]
    if changed:
        raise UnsupportedError(
            f"the network changes its own state or its input in the forward pass: {', '.join(changed[:5])} "
            "(batch statistics in train mode do this).",
            hint="Export it in eval mode, and replace in-place operations on its input by x = x.clone().",
        )
