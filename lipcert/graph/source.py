"""What is perturbed: the network's first input, what an embedding looks up, or what a module returns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node as FxNode

from lipcert.errors import InputError, UnsupportedError, UsageError
from lipcert.graph.lowering.state import argument
from lipcert.graph.program import behind, needed, user_inputs, weights

EMBEDDING = "embedding"
"""The source that is the one embedding of the input, whatever its module is called."""

_LOOKUP = "aten.embedding.default"
_SHAPE_ONLY = frozenset(
    f"aten.{name}.default" for name in ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")
)
"""Of their tensor these take the shape and the type, and no value; a number to fill with would be a second input."""
_SHOWN = 8


@dataclass(frozen=True)
class Source:
    """A value of a functional program, of a float type and of shape (1, …).

    name: in the program. path: the module it comes from, "" for the input. table: (rows, features), the weight
    that it consists of rows of, where it is what an embedding looked up.
    """

    name: str
    shape: tuple[int, ...]
    path: str = ""
    table: Tensor | None = None


def find_source(program: ExportedProgram, wanted: str, output: str = "") -> Source:
    """What `wanted` names: "" the first input, or its embedding if it holds token ids; "embedding"; a module path.

    output: the name in the program of what is bounded; without it, all outputs count.
    Raises UsageError where the source has to be named, or named otherwise, UnsupportedError where it holds no real
    numbers, InputError where it is no batch of one.
    """
    first = next(fx for fx in program.graph.nodes if fx.name == user_inputs(program)[0])
    output = output or program.graph.output_node().name
    steps = behind(program, output)
    if wanted == EMBEDDING or (not wanted and not _is_real(first)):
        fx = _embedding(program, steps, first, wanted, output)
    else:
        fx = _returned(program, steps, wanted, output) if wanted else first
    _require_floats(fx)
    inside = fx is not first
    return Source(fx.name, tuple(fx.meta["val"].shape), module_path(fx, wanted) if inside else "", _table(program, fx))


def module_path(fx: FxNode, wanted: str = "") -> str:
    """The module that an operation stands in; the one that is wanted, if that stands in it."""
    paths = [path for _, path in _stack(fx)]
    return wanted if wanted and wanted in paths else paths[-1]


def values_read(program: ExportedProgram, output: str, source: str) -> set[str]:
    """The names of the values that the output is computed from, once that of the source is given."""

    def cut(fx: FxNode) -> bool:
        return fx.name == source or (str(fx.target) in _SHAPE_ONLY and len(fx.all_input_nodes) == 1)

    return needed(program, output, cut)


def lookups(program: ExportedProgram, steps: Sequence[FxNode]) -> list[FxNode]:
    """The embeddings among `steps` that look up the first input; where there are none, any input."""
    inputs, found = user_inputs(program), [fx for fx in steps if str(fx.target) == _LOOKUP]
    read = {fx: values_read(program, argument(fx, 1, "indices").name, "") for fx in found}
    for starts in (inputs[:1], inputs):
        some = [fx for fx in found if read[fx] & set(starts)]
        if some:
            return some
    return []


def _embedding(program: ExportedProgram, steps: Sequence[FxNode], first: FxNode, wanted: str, output: str) -> FxNode:
    """The one embedding; where there is none or several, the module of that very name, if that is wanted."""
    found = lookups(program, steps)
    if len(found) == 1:
        return found[0]
    if wanted and any(wanted == path for fx in steps for _, path in _stack(fx)):
        return _returned(program, steps, wanted, output)
    if not found and not wanted:
        raise _no_reals(first.name, first.meta["val"], "looked up by no embedding")
    places = ", ".join(dict.fromkeys(module_path(fx) or "(top level)" for fx in found))
    raise UsageError(
        f"{len(found)} embeddings look up the inputs: {places}." if found else "no embedding looks up an input.",
        hint="Name the module from whose output on the network is to be bounded: --source PATH.",
    )


def _returned(program: ExportedProgram, steps: Sequence[FxNode], path: str, output: str) -> FxNode:
    """The one value that a module hands to the rest of the network, on the way to the output."""
    _require_module(program, path)
    ways = {output, *(fx.name for fx in steps)}
    given = [
        fx for fx in steps if _call(fx, path) and (
            fx.name == output or any(user.name in ways and _call(user, path) != _call(fx, path) for user in fx.users)
        )
    ]  # fmt: skip
    if len(given) == 1 and isinstance(given[0].meta["val"], Tensor):
        return given[0]
    if not given:
        raise UnsupportedError(
            f"the output does not depend on what the module {path!r} returns.",
            hint="Its Lipschitz bound from there is 0; choose another --source or --output.",
        )
    raise UsageError(
        f"the module {path!r} hands {len(given)} values to the rest of the network: "
        f"{', '.join(fx.name for fx in given[:_SHOWN])}. It is called more than once, or returns several.",
        hint="Name a module with one output that is called once: --source PATH.",
    )


def _require_module(program: ExportedProgram, path: str) -> None:
    known = list(dict.fromkeys(name for fx in program.graph.nodes for _, name in _stack(fx) if name))
    if path in known:
        return
    near = get_close_matches(path, known, n=3) or known[:_SHOWN]
    raise UsageError(
        f"there is no module {path!r} that computes something.",
        hint=f"Perhaps {', '.join(near)}?" if near else 'The network has no modules inside; "embedding" is possible.',
    )


def _call(fx: FxNode, path: str) -> tuple[str, ...]:
    """Which call of the module at `path` an operation belongs to; () for none. A second call has other keys."""
    keys: list[str] = []
    for key, name in _stack(fx):
        keys.append(key)
        if name == path:
            return tuple(keys)
    return ()


def _stack(fx: FxNode) -> Iterator[tuple[str, str]]:
    """The calls of modules that an operation stands in, as (key, path), outermost first."""
    yield "", ""
    for key, (path, _) in (fx.meta.get("nn_module_stack") or {}).items():
        yield str(key), str(path)


def _table(program: ExportedProgram, fx: FxNode) -> Tensor | None:
    if str(fx.target) != _LOOKUP:
        return None
    _, value = weights(program).get(argument(fx, 0, "weight").name, ("", None))
    return value


def _is_real(fx: FxNode) -> bool:
    return bool(fx.meta["val"].is_floating_point())


def _require_floats(fx: FxNode) -> None:
    value: Tensor = fx.meta["val"]
    if not value.is_floating_point():
        raise _no_reals(fx.name, value, "not real")
    if value.dim() == 0 or value.shape[0] != 1:
        what = "the example input" if fx.op == "placeholder" else f"the source {fx.name!r}"
        raise InputError(
            f"{what} has shape {tuple(value.shape)}; a batch of one, (1, …), is needed.",
            hint="Add a leading axis of 1 to the example input: x[None] of one example.",
        )


def _no_reals(name: str, value: Tensor, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name!r} holds {value.dtype} values, {why}; a Lipschitz bound needs real numbers.",
        hint="For token ids, bound from the output of the module that embeds them: --source PATH; for complex "
        "numbers, take real and imaginary part as two channels.",
    )
