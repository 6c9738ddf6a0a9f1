"""Lowering of operations that move entries, by running them on the entries' own numbers."""

from typing import Any

import torch
from torch import Tensor
from torch.fx import Node as FxNode

from lipcert.graph.lowering.state import Lower, Lowering
from lipcert.rules.types import Node

RESHAPES = ("view", "_unsafe_view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze")
"""Operations after which the same entries stand in the same order."""


def same(state: Lowering, fx: FxNode, path: str) -> str | None:
    """Identity over the reals: clone, alias, dropout in eval mode."""
    state.same(fx, fx.args[0])  # type: ignore[arg-type]
    return None


def dropout(state: Lowering, fx: FxNode, path: str) -> str | None:
    if len(fx.args) > 2 and fx.args[2]:
        return "dropout in train mode is random"
    return same(state, fx, path)


def cast(state: Lowering, fx: FxNode, path: str) -> str | None:
    """A cast between float types is the identity over the reals."""
    if not fx.meta["val"].is_floating_point():
        return f"a cast to {fx.meta['val'].dtype} jumps"
    return same(state, fx, path)


def reshape(state: Lowering, fx: FxNode, path: str) -> str | None:
    node = state.node(fx.args[0])  # type: ignore[arg-type]
    state.add(fx, path, "reshape", [node], attrs={"from": list(node.shape)})
    return None


def move(fill_at: int | None = None) -> Lower:
    """Any operation whose outputs are entries of its inputs or constants.

    It is run twice: on the numbers 1, 2, … of the activations' entries (constants: 0), which
    gives the index map, and on zeros (constants: themselves), which gives what is added.
    fill_at: position of a scalar that fills entries.
    """

    def lower(state: Lowering, fx: FxNode, path: str) -> str | None:
        nodes = _dynamic(state, fx)
        numbers, start = {}, 1
        for node in nodes:
            numbers[node.name] = torch.arange(start, start + node.size, dtype=torch.float64).reshape(node.shape)
            start += node.size
        tags = _run(state, fx, numbers, fill_at, constants=False)
        added = _run(state, fx, {n.name: torch.zeros(n.shape, dtype=torch.float64) for n in nodes}, fill_at, True)
        return _emit(state, fx, path, nodes, tags, added)

    return lower


def _dynamic(state: Lowering, fx: FxNode) -> list[Node]:
    found = {state.names[a.name]: None for a in fx.all_input_nodes if a.name in state.names}
    return [state.nodes[name] for name in found]


def _run(state: Lowering, fx: FxNode, entries: dict[str, Tensor], fill_at: int | None, constants: bool) -> Any:
    def value(argument: FxNode) -> Any:
        if argument.name in state.names:
            return entries[state.names[argument.name]]
        constant = state.constants[argument.name]
        if not (isinstance(constant, Tensor) and constant.is_floating_point()):
            return constant  # an index or a mask
        return constant.double() if constants else torch.zeros_like(constant, dtype=torch.float64)

    arguments = list(torch.fx.node.map_arg(fx.args, value))
    if not constants and fill_at is not None and len(arguments) > fill_at and arguments[fill_at] is not None:
        arguments[fill_at] = arguments[fill_at] * 0
    return fx.target(*arguments, **torch.fx.node.map_arg(fx.kwargs, value))  # type: ignore[operator]


def _emit(state: Lowering, fx: FxNode, path: str, nodes: list[Node], tags: Any, added: Any) -> str | None:
    several = isinstance(tags, list | tuple)
    parts = zip(tags, added, strict=True) if several else [(tags, added)]
    names = []
    for tag, extra in parts:
        index = tag.round().long() - 1
        if not (bool((tag == index + 1).all()) and bool(torch.isfinite(extra).all())):
            return "it fills with an infinite constant, or mixes entries"
        consts = {"index": index.contiguous()}
        if bool((extra != 0).any()):
            consts["offset"] = extra
        attrs = {"sizes": [node.size for node in nodes]}
        names.append(state.add(fx, path, "gather", nodes, shape=tag.shape, attrs=attrs, consts=consts).name)
    if several:
        state.several[fx.name] = names
    return None


def getitem(state: Lowering, fx: FxNode, path: str) -> str | None:
    """One of several outputs; those that are no activations (indices, statistics) have no name."""
    pair, place = fx.args
    names = state.several.get(pair.name, [])  # type: ignore[union-attr]
    if not place < len(names):  # type: ignore[operator]
        return "this output of the operation before it"
    state.names[fx.name] = names[place]  # type: ignore[index]
    return None
