"""The state of a lowering: which exported values are constants, and which became core nodes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node as FxNode

from lipcert.rules.types import Node

_UNSET = frozenset(
    getattr(torch.ops.aten, name)
    for name in ("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided")
)
"""They return memory as it was found: no numbers until some are written there."""


class Lowering:
    """Core nodes built so far, beside the values that depend on no perturbed input.

    Constant sub-expressions are evaluated as the network evaluates them, in its own dtype, and
    count as weights from then on.
    """

    def __init__(self, constants: Mapping[str, Tensor], source: str, shape: tuple[int, ...]) -> None:
        self.constants: dict[str, Any] = {name: value for name, value in constants.items() if name != source}
        self.nodes = {source: Node(source, "input", (), shape)}
        self.names = {source: source}
        self.several: dict[str, list[str]] = {}
        self.unknown: set[str] = set()

    def depends(self, argument: object) -> bool:
        """Whether an argument of an exported operation depends on the source."""
        return isinstance(argument, FxNode) and (argument.name in self.names or argument.name in self.several)

    def node(self, argument: Any) -> Node:
        """The core node of an argument that depends on the source."""
        return self.nodes[self.names[argument.name]]

    def constant(self, argument: Any) -> Any:
        """The value of an argument that does not depend on the source; containers are mapped."""
        return torch.fx.node.map_arg(argument, lambda fx: self.constants[fx.name])

    def fold(self, fx: FxNode) -> str | None:
        """Evaluate an operation on constants; a returned text says why it cannot be."""
        target: Any = fx.target
        try:
            with torch.no_grad():
                value = target(*self.constant(fx.args), **self.constant(fx.kwargs))
                self.constants[fx.name] = _no_number(value) if _is_unset(target) else value
        except Exception as error:  # noqa: BLE001 - any operation at all can stand here
            return f"constants that cannot be evaluated ({error})"
        return None

    def add(
        self, fx: FxNode, path: str, op: str, inputs: Sequence[Node], *, shape: Sequence[int] | None = None,
        attrs: Mapping[str, Any] | None = None, consts: Mapping[str, Tensor] | None = None,
    ) -> Node:  # fmt: skip
        """Append a core node; it stands for the exported node until a later one of the same `fx` does."""
        name = fx.name if fx.name not in self.nodes else self._fresh(fx.name)
        shape = tuple(fx.meta["val"].shape if shape is None else shape)
        names = tuple(node.name for node in inputs)
        node = Node(name, op, names, shape, attrs or {}, consts or {}, path, str(fx.target))
        self.nodes[name] = node
        self.names[fx.name] = name
        return node

    def same(self, fx: FxNode, argument: Any) -> None:
        """The exported node is its argument over the reals."""
        self.names[fx.name] = self.names[argument.name]

    def give_up(self, fx: FxNode) -> None:
        """Go on behind an operation without a rule, so that all of them are reported in one go."""
        self.unknown.add(fx.name)
        value = fx.meta.get("val")
        if isinstance(value, list | tuple):
            self.several[fx.name] = [self._stand_in(fx, part) for part in value]
        else:
            self.names[fx.name] = self._stand_in(fx, value)

    def behind_unknown(self, fx: FxNode) -> bool:
        """Whether an operation uses the output of one that was given up."""
        return any(argument.name in self.unknown for argument in fx.all_input_nodes)

    def _stand_in(self, fx: FxNode, value: Any) -> str:
        name = self._fresh(fx.name)
        shape = tuple(size if isinstance(size, int) else 1 for size in getattr(value, "shape", ()))
        self.nodes[name] = Node(name, "input", (), shape)
        return name

    def _fresh(self, name: str) -> str:
        number = 1
        while f"{name}.{number}" in self.nodes:
            number += 1
        return f"{name}.{number}"


Lower = Callable[[Lowering, FxNode, str], str | None]
"""Lower one exported operation of a module path; a returned text is the reason why it cannot be."""


def argument(fx: FxNode, position: int, name: str, default: Any = None) -> Any:
    """An argument given by position or by name."""
    return fx.args[position] if len(fx.args) > position else fx.kwargs.get(name, default)


def common_shape(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that all of these broadcast to."""
    joined: Sequence[int] = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    return tuple(joined)


def take(state: Lowering, fx: FxNode, path: str, node: Node, index: Tensor) -> Node:
    """Entries of `node` by their numbers in row-major order, in the shape of `index`."""
    attrs, consts = {"sizes": [node.size]}, {"index": index.contiguous()}
    return state.add(fx, path, "gather", [node], shape=index.shape, attrs=attrs, consts=consts)


def masked(state: Lowering, fx: FxNode, path: str, node: Node, keep: Tensor) -> Node:
    """`node` with -infinity where `keep`, which broadcasts to it, is False: only a softmax may take it."""
    return state.add(fx, path, "mask", [node], shape=node.shape, consts={"keep": keep})


def numbered(node: Node) -> Tensor:
    """The numbers of a node's entries, in its shape."""
    return torch.arange(node.size).reshape(node.shape)


def broadcast(state: Lowering, fx: FxNode, path: str, node: Node, shape: Sequence[int]) -> Node:
    """`node` expanded to `shape` by repeating entries, as torch broadcasts."""
    if node.shape == tuple(shape):
        return node
    return take(state, fx, path, node, numbered(node).expand(tuple(shape)))


def permute(state: Lowering, fx: FxNode, path: str, node: Node, axes: Sequence[int]) -> Node:
    """`node` with its axes in this order; itself where they are."""
    if list(axes) == list(range(len(node.shape))):
        return node
    return take(state, fx, path, node, numbered(node).permute(tuple(axes)))


def reshaped(state: Lowering, fx: FxNode, path: str, node: Node, shape: Sequence[int]) -> Node:
    """The entries of `node` in their order, in another shape."""
    return state.add(fx, path, "reshape", [node], shape=shape, attrs={"from": list(node.shape)})


def _is_unset(target: Any) -> bool:
    return getattr(target, "overloadpacket", None) in _UNSET


def _no_number(value: Tensor) -> Tensor:
    """Filled with what is refused wherever it is used."""
    return value.fill_(torch.nan if value.is_floating_point() else torch.iinfo(value.dtype).max)
