"""Lowering of operations that move entries, by running them on the entries' own numbers."""

from typing import Any

import torch
from torch import Tensor
from torch.fx import Node as FxNode

from lipcert.graph.lowering.arithmetic import finite_part
from lipcert.graph.lowering.state import Lower, Lowering, broadcast, masked, numbered, reshaped
from lipcert.rules.types import Node

_FLOAT32_INTEGERS = 2**24


def same(state: Lowering, fx: FxNode, path: str) -> str | None:
    """Identity over the reals: clone, alias."""
    state.same(fx, fx.args[0])
    return None


def cast(state: Lowering, fx: FxNode, path: str) -> str | None:
    """A cast between float types is the identity over the reals."""
    dtype = fx.meta["val"].dtype
    if not state.depends(fx.args[0]):  # only the type comes from an activation
        state.constants[fx.name] = state.constant(fx.args[0]).to(dtype)
        return None
    return same(state, fx, path) if dtype.is_floating_point else f"a cast to {dtype} jumps"


def reshape(state: Lowering, fx: FxNode, path: str) -> str | None:
    reshaped(state, fx, path, state.node(fx.args[0]), fx.meta["val"].shape)
    return None


def filled(state: Lowering, fx: FxNode, path: str) -> str | None:
    """A constant that takes no more than shape and type from an activation."""
    like = fx.args[0].meta["val"]  # type: ignore[union-attr]
    stand_in, target = torch.zeros(like.shape, dtype=like.dtype), fx.target
    state.constants[fx.name] = target(stand_in, *fx.args[1:], **fx.kwargs)  # type: ignore[operator]
    return None


def move(*, fill_at: int | None = None, index_at: int | None = None, rounds: bool = False) -> Lower:
    """Any operation whose outputs are entries of its inputs or constants.

    It is run twice: on the numbers 1, 2, … of the activations' entries (constants: 0), which
    gives the index map, and on zeros (constants: themselves), which gives what is added.
    fill_at: position of a scalar that fills entries. index_at: of indices or a mask, which stay.
    rounds: which entry is taken depends on rounding (nearest neighbours): run as the network is, in float32
    also where it has 16 bits, as torch does.
    """

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        nodes = _dynamic(state, fx)
        single = rounds and fx.meta["val"].dtype != torch.float64
        numbers, start = {}, 1
        for node in nodes:
            numbers[node.name] = (numbered(node) + start).to(torch.float32 if single else torch.float64)
            start += node.size
        if single and start > _FLOAT32_INTEGERS:
            return "more entries than float32 can number"
        zeros = {name: torch.zeros_like(value) for name, value in numbers.items()}
        run = _Run(state, fx, fill_at, index_at)
        return _emit(state, fx, path, nodes, run(numbers, constants=False), run(zeros, constants=True))

    return lower


def _dynamic(state: Lowering, fx: FxNode) -> list[Node]:
    found = {state.names[a.name]: None for a in fx.all_input_nodes if a.name in state.names}
    return [state.nodes[name] for name in found]


class _Run:
    """An exported operation, to be run on stand-ins for the activations."""

    def __init__(self, state: Lowering, fx: FxNode, fill_at: int | None, index_at: int | None) -> None:
        self._state, self._fx, self._fill_at, self._index_at = state, fx, fill_at, index_at

    def __call__(self, entries: dict[str, Tensor], *, constants: bool) -> Any:
        def value(argument: FxNode) -> Any:
            if argument.name in self._state.names:
                return entries[self._state.names[argument.name]]
            constant = self._state.constants[argument.name].double()
            return constant if constants else torch.zeros_like(constant)

        target: Any = self._fx.target
        arguments: list[Any] = list(torch.fx.node.map_arg(self._fx.args, value))
        if self._index_at is not None:
            arguments[self._index_at] = self._state.constant(self._fx.args[self._index_at])
        fill = self._fill_at
        if not constants and fill is not None and len(arguments) > fill and arguments[fill] is not None:
            arguments[fill] = 0
        return target(*arguments, **self._fx.kwargs)


def _emit(state: Lowering, fx: FxNode, path: str, nodes: list[Node], tags: Any, added: Any) -> str | None:
    several = isinstance(tags, list | tuple)
    parts = zip(tags, added, strict=True) if several else [(tags, added)]
    names = []
    for tag, extra in parts:
        index, (offset, keep) = tag.round().long() - 1, finite_part(extra)
        in_place = keep is None or bool((keep | (index < 0)).all())
        if not (bool((tag == index + 1).all()) and bool(torch.isfinite(offset).all()) and in_place):
            return "it fills with +infinity or NaN, or mixes entries"
        names.append(_moved(state, fx, path, nodes, index, offset, keep).name)
    if several:
        state.several[fx.name] = names
    return None


def _moved(
    state: Lowering, fx: FxNode, path: str, nodes: list[Node], index: Tensor, offset: Tensor, keep: Tensor | None
) -> Node:
    """The entries `index` of the nodes, or `offset` where it is -1, masked where `keep` is False."""
    constants = bool((offset != 0).any())
    if keep is not None and not constants and len(nodes) == 1 and _stays(nodes[0], index, keep):
        return masked(state, fx, path, broadcast(state, fx, path, nodes[0], index.shape), keep)
    attrs, consts = {"sizes": [node.size for node in nodes]}, {"index": index.contiguous()}
    if constants:
        consts["offset"] = offset
    done = state.add(fx, path, "gather", nodes, shape=index.shape, attrs=attrs, consts=consts)
    return done if keep is None else masked(state, fx, path, done, keep)


def _stays(node: Node, index: Tensor, keep: Tensor) -> bool:
    """Whether the entries that are kept are those of the node, broadcast: what is masked may be anything."""
    sizes = zip(reversed(node.shape), reversed(index.shape), strict=False)
    if len(node.shape) > index.dim() or not all(size in (1, wide) for size, wide in sizes):
        return False
    return bool((~keep | (index == numbered(node).expand(index.shape))).all())


def getitem(state: Lowering, fx: FxNode, path: str) -> str | None:
    """One of several outputs; those that are no activations (indices, statistics) have no name."""
    several: Any = fx.args[0]
    place: Any = fx.args[1]
    names = state.several.get(several.name, [])
    if not 0 <= place < len(names):
        return "this output of the operation before it"
    state.names[fx.name] = names[place]
    return None
