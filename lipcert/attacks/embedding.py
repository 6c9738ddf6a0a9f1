"""Targets in the space of embeddings: what an embedding returns is perturbed, and not the token ids."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from lipcert.attacks.exported import Exported
from lipcert.attacks.target import Target
from lipcert.errors import InputError, UnsupportedError, UsageError
from lipcert.graph.source import EMBEDDING

_SHOWN = 8


def embedding(network: nn.Module, *inputs: Tensor, source: str = "", output: str = "") -> tuple[Target, Tensor]:
    """The target, and the values that are perturbed, (batch, *shape).

    inputs: what the network is called with, the token ids first.
    source: "" or "embedding" for the one embedding that looks up the first input, else the path of the module whose
        output is perturbed; an exported program was made for one already.
    Raises UsageError where the source has to be named, or named otherwise.
    """
    whole = Target(network)
    with whole.frozen(), torch.no_grad():
        if isinstance(network, Exported):
            return Target(network, tuple(inputs), network.place, output), network.values(*inputs)
        path = _embedding_path(network, inputs) if source in ("", EMBEDDING) else _module_path(network, source)
        returned = _calls(network, inputs)[path]
    if len(returned) != 1 or not isinstance(returned[0][1], Tensor):
        raise UsageError(
            f"the module {path!r} is called {len(returned)} times, or returns no single tensor.",
            hint="Name a module with one output that is called once.",
        )
    value = returned[0][1]
    if not value.is_floating_point():
        raise InputError(f"the module {path!r} returns {value.dtype} values; real numbers are needed.")
    return Target(network, tuple(inputs), path, output), value.detach().clone()


def table(target: Target) -> nn.Embedding:
    """The embedding whose output is perturbed. Raises UnsupportedError where the place is another module."""
    assert isinstance(target.network, nn.Module)
    inside = not isinstance(target.network, Exported)
    module = target.network.get_submodule(target.place or "") if inside else target.network
    if not isinstance(module, nn.Embedding) or module.max_norm is not None:
        raise UnsupportedError(
            f"{target.place!r} is {type(module).__name__}, and no plain table of embeddings.",
            hint="Tokens can be swapped where source names an nn.Embedding without max_norm.",
        )
    return module


def _embedding_path(network: nn.Module, inputs: tuple[Tensor, ...]) -> str:
    """The one embedding that looks up the first input."""
    found = [
        path
        for path, calls in _calls(network, inputs).items()
        if isinstance(network.get_submodule(path), nn.Embedding) and any(_same(given, inputs[0]) for given, _ in calls)
    ]
    if len(found) != 1:
        places = f": {', '.join(found)}" if found else ""
        raise UsageError(
            f"{len(found) or 'no'} nn.Embedding modules look up the first input{places}.",
            hint="Name the module whose output is to be perturbed: source = 'PATH'.",
        )
    return found[0]


def _module_path(network: nn.Module, source: str) -> str:
    known = [path for path, _ in network.named_modules() if path]
    if source not in known:
        near = get_close_matches(source, known, n=3) or known[:_SHOWN]
        raise UsageError(f"there is no module {source!r}.", hint=f"Perhaps {', '.join(near)}?")
    return source


def _calls(network: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, list[tuple[Any, Any]]]:
    """Of each module, the first argument and the result of every call in one pass."""
    seen: dict[str, list[tuple[Any, Any]]] = {path: [] for path, _ in network.named_modules()}
    with _watched(network, seen):
        network(*inputs)
    return seen


@contextmanager
def _watched(network: nn.Module, seen: dict[str, list[tuple[Any, Any]]]) -> Iterator[None]:
    def watch(calls: list[tuple[Any, Any]]) -> Any:
        return lambda _, given, returned: calls.append((given[0] if given else None, returned))

    handles = [module.register_forward_hook(watch(seen[path])) for path, module in network.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _same(value: Any, ids: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == ids.shape and bool((value == ids).all())
