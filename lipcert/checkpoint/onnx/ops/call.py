"""What the functions of operations are given beside tensors, and the record of the table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Call:
    """A node of an ONNX graph.

    version: of the set of operations. attributes: by name, those left out with what the standard gives them.
    known: place of an input → its value as numbers, known before the network runs. live: places of the inputs that
    depend on the network's. dtype: of the output, where an attribute says it.
    """

    op: str
    version: int
    attributes: Mapping[str, Any]
    known: Mapping[int, Any]
    live: frozenset[int] = frozenset()
    dtype: torch.dtype | None = None

    def __getitem__(self, name: str) -> Any:
        return self.attributes.get(name)

    def ints(self, place: int, attribute: str = "") -> list[int] | None:
        """The integers at an input or, in older versions, in an attribute; None where they are left out."""
        if place in self.known:
            value = self.known[place]
            return [int(each) for each in value] if isinstance(value, list) else [int(value)]
        given = self.attributes.get(attribute)
        return None if given is None else list(given)


@dataclass(frozen=True)
class Step:
    """One operation in forward. inputs: names of values; None where one is left out, or known before."""

    name: str
    call: Call
    inputs: tuple[str | None, ...]
    outputs: tuple[str, ...]


Inputs = Sequence[Any]
"""A tensor for each input of a node; None for those left out, and for those that are known."""

Function = Callable[[Call, Inputs], Tensor | tuple[Tensor, ...]]


@dataclass(frozen=True)
class Op:
    """How an operation is computed in torch.

    known: the inputs whose values must be known before the network runs, such as a shape. constant: those that are
    taken as numbers where they do not depend on the network's input. single: the same where they are one number.
    """

    function: Function
    known: tuple[int, ...] = ()
    constant: tuple[int, ...] = ()
    single: tuple[int, ...] = ()


def plain(function: Callable[..., Tensor]) -> Op:
    """torch's own function of the same inputs."""
    return Op(lambda call, inputs: function(*inputs))


def number(value: Any) -> Any:
    """The one number of a known value of any shape."""
    while isinstance(value, list):
        (value,) = value
    return value
