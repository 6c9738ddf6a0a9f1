"""The state of a lowering: which exported values are constants, and which became core nodes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node as FxNode

from lipcert.rules.types import Node


class Lowering:
    """Core nodes built so far, beside the values that depend on no perturbed input.

    Constant sub-expressions are evaluated as the network evaluates them, in its own dtype, and
    count as weights from then on.
    """

    def __init__(self, constants: dict[str, Tensor], source: str) -> None:
        value = constants.pop(source)
        self.constants: dict[str, Any] = dict(constants)
        self.nodes = {source: Node(source, "input", (), tuple(value.shape))}
        self.names = {source: source}
        self.several: dict[str, list[str]] = {}
        self.dtypes = {source: value.dtype}

    def depends(self, argument: object) -> bool:
        """Whether an argument of an exported operation depends on the source."""
        return isinstance(argument, FxNode) and (argument.name in self.names or argument.name in self.several)

    def node(self, argument: FxNode) -> Node:
        return self.nodes[self.names[argument.name]]

    def constant(self, argument: Any) -> Any:
        """The value of an argument that does not depend on the source; containers are mapped."""
        return torch.fx.node.map_arg(argument, lambda fx: self.constants[fx.name])

    def fold(self, fx: FxNode) -> str | None:
        """Evaluate an operation on constants; a returned text says why it cannot be."""
        try:
            with torch.no_grad():
                self.constants[fx.name] = fx.target(*self.constant(fx.args), **self.constant(fx.kwargs))  # type: ignore[operator]
        except Exception as error:  # any operation at all can stand here
            return f"constants that cannot be evaluated ({error})"
        return None

    def add(
        self, fx: FxNode, path: str, op: str, inputs: Sequence[Node], *, shape: Sequence[int] | None = None,
        attrs: Mapping[str, Any] | None = None, consts: Mapping[str, Tensor] | None = None,
    ) -> Node:  # fmt: skip
        """Append a core node; it stands for the exported node until a later one of the same `fx` does."""
        name = fx.name if fx.name not in self.nodes else self._fresh(fx.name)
        shape = tuple(fx.meta["val"].shape if shape is None else shape)
        node = Node(name, op, tuple(n.name for n in inputs), shape, attrs or {}, consts or {}, path, str(fx.target))
        self.nodes[name] = node
        self.names[fx.name] = name
        return node

    def same(self, fx: FxNode, argument: FxNode) -> None:
        """The exported node is its argument over the reals."""
        self.names[fx.name] = self.names[argument.name]

    def give_up(self, fx: FxNode) -> None:
        """Go on behind an operation without a rule, so that all of them are reported in one go."""
        value = fx.meta.get("val")
        if isinstance(value, list | tuple):
            self.several[fx.name] = [self._stand_in(fx, part) for part in value]
        else:
            self.names[fx.name] = self._stand_in(fx, value)

    def _stand_in(self, fx: FxNode, value: Any) -> str:
        name = self._fresh(fx.name)
        self.nodes[name] = Node(name, "input", (), tuple(getattr(value, "shape", ())))
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


def broadcast(state: Lowering, fx: FxNode, path: str, node: Node, shape: Sequence[int]) -> Node:
    """`node` expanded to `shape` by repeating entries, as torch broadcasts."""
    shape = tuple(shape)
    if node.shape == shape:
        return node
    index = torch.arange(node.size).reshape(node.shape).expand(shape).contiguous()
    return state.add(fx, path, "gather", [node], shape=shape, attrs={"sizes": [node.size]}, consts={"index": index})
