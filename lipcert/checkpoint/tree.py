"""A tree of modules for a graph that came from a file: weights under the file's own names, and places to compute in.

Names of files end up in code that torch generates, so all but harmless characters are written as %XX, as in URLs;
`urllib.parse.unquote` gives a name back.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any
from urllib.parse import quote

import torch
from torch import Tensor, nn

_HARMLESS = "/:"


class Place(nn.Module):
    """A part of the tree. Calling it calls a function, so that torch's capture knows where that happened."""

    def forward(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)


class Tree(nn.Module):
    """The root: a network that computes one example at a time, and a batch of them side by side.

    A subclass sets all its attributes before it holds weights, so that none of these takes the name of one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._taken: set[str] = set()

    def forward(self, *inputs: Tensor) -> Any:
        """inputs: batches of one size. Every output has the batch axis in front."""
        if len(inputs[0]) == 1:
            return self._joined([leading(y) for y in self.example(*inputs)])
        several = torch.func.vmap(self.example)(*(x.unsqueeze(1) for x in inputs))
        return self._joined([y.squeeze(1) if y.dim() > 1 and y.shape[1] == 1 else y for y in several])

    def example(self, *inputs: Tensor) -> Sequence[Tensor]:
        """The outputs for a batch of one, in order."""
        raise NotImplementedError

    def _joined(self, outputs: Sequence[Tensor]) -> Any:
        """What the network returns, from its outputs in order."""
        raise NotImplementedError

    def hold(self, name: str, tensor: Tensor, *, weight: bool) -> str:
        """Keeps a weight, or another constant, under its name, dots as paths of modules; returns the name it got.

        A name that no module can have keeps its dots as %2E, and its first letter in the same way.
        """
        safe = quote(name, safe=_HARMLESS)
        flat = safe.replace(".", "%2E")
        held = next(each for each in (safe, flat, _first_quoted(flat)) if self._is_free(each))
        owner, _, leaf = held.rpartition(".")
        if weight:
            self._made(owner).register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
        else:
            self._made(owner).register_buffer(leaf, tensor)
        return held

    def place(self, name: str) -> str:
        """A place for one operation, by this name and, where that is taken, a number; returns its path."""
        path = next(each for each in _numbered(quote(name, safe=_HARMLESS)) if self._is_open(each))
        self._taken.add(path)
        self._made(path)
        return path

    def tensor(self, held: str) -> Tensor:
        """What is held under a name that `hold` returned."""
        owner, _, leaf = held.rpartition(".")
        found: Tensor = getattr(self.get_submodule(owner), leaf)
        return found

    def _is_free(self, path: str) -> bool:
        owner, _, leaf = path.rpartition(".")
        module = self._walk(owner)
        # The code that torch generates calls its module `self`, and weights by their paths.
        return path != "self" and module is not None and "" not in path.split(".") and not hasattr(module, leaf)

    def _is_open(self, path: str) -> bool:
        return path != "" and path not in self._taken and self._walk(path) is not None

    def _walk(self, path: str) -> nn.Module | None:
        """The place at a path, or one that could be made there; None where something else is in the way."""
        module: nn.Module = self
        for name in path.split(".") if path else ():
            inner = getattr(module, name, None) if name else None
            if not isinstance(inner, Place) and (name == "" or hasattr(module, name)):
                return None
            module = inner if isinstance(inner, Place) else Place()
        return module

    def _made(self, path: str) -> nn.Module:
        module: nn.Module = self
        for name in path.split(".") if path else ():
            if not hasattr(module, name):
                module.add_module(name, Place())
            module = module.get_submodule(name)
        return module


def leading(y: Tensor) -> Tensor:
    """With a batch axis of one in front, a new one where the first axis is none."""
    return y if y.dim() and y.shape[0] == 1 else y.unsqueeze(0)


def _first_quoted(name: str) -> str:
    return f"%{ord(name[0]):02X}{name[1:]}" if name else "%"


def _numbered(name: str) -> Iterator[str]:
    stems = (name, name.replace(".", "%2E"))
    yield from stems
    for number in count(1):
        yield from (f"{stem}%{number}" for stem in stems)
