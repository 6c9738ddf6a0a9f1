"""Weights into a network: the state dict that fits is found, and its exact values become the network's."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from lipcert.checkpoint import memory, names, weights
from lipcert.checkpoint.find import StateDict
from lipcert.errors import InputError


@dataclass(frozen=True)
class _Try:
    where: tuple[str, ...]
    rank: tuple[int, int]
    tensors: dict[str, Tensor]
    mismatch: names.Mismatch


def fill(module: nn.Module, found: list[StateDict], source: str) -> tuple[str, ...]:
    """Gives `module` the values of the one state dict in `found` that fits; returns what was unwrapped.

    Every value stays exact: a tensor wider than the network's widens the network, a narrower one is widened.
    source: what messages call the file. Raises InputError, UnsupportedError, ResourceError.
    """
    expected = {name: t for name, t in module.state_dict().items() if isinstance(t, Tensor)}
    tied = names.ties(module)
    tries = [attempt for state in found for attempt in _attempts(state, expected, tied)]
    fitting = [attempt for attempt in tries if not attempt.mismatch]
    if not fitting:
        raise _mismatch(found, tries, source)
    chosen = _choose(fitting, source)
    weights.check_kind(chosen.tensors, source)
    weights.check_dtypes(expected, chosen.tensors, source)
    weights.check_values(chosen.tensors, source)
    counts = {n: torch.zeros(t.shape, dtype=t.dtype) for n, t in expected.items() if names.is_count(n)}
    _assign(module, _complete(counts | chosen.tensors, tied, source), expected, source)
    for group in tied:
        _tie(module, group)
    _check_no_meta(module, source)
    return chosen.where


def _attempts(state: StateDict, expected: Mapping[str, Tensor], tied: list[list[str]]) -> list[_Try]:
    attempts = []
    for taken, read in names.readings(list(state.tensors)):
        tensors = dict(zip(read, state.tensors.values(), strict=True))
        where = (*state.where, taken) if taken else state.where
        attempts.append(_Try(where, state.rank, tensors, names.compare(expected, tied, tensors)))
        if not attempts[-1].mismatch:
            break
    return attempts


def _choose(fitting: list[_Try], source: str) -> _Try:
    """The likeliest place; two equally likely ones must hold the same values."""
    best = min(attempt.rank for attempt in fitting)
    rivals = [attempt for attempt in fitting if attempt.rank == best]
    for rival in rivals[1:]:
        if not _same(rivals[0].tensors, rival.tensors):
            titles = " and ".join(" → ".join(attempt.where) for attempt in (rivals[0], rival))
            raise InputError(
                f"{source} holds two different sets of weights that fit the network: {titles}",
                hint='Save the one you mean alone: torch.save({"state_dict": …}, "chosen.pt").',
            )
    return rivals[0]


def _same(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def _mismatch(found: list[StateDict], tries: list[_Try], source: str) -> InputError:
    if not tries:
        return InputError(f"{source} holds no named tensors", hint="A state dict is needed: model.state_dict().")
    for state in found:
        weights.check_names(state.tensors, source)
        weights.check_kind(state.tensors, source)
    best = max(tries, key=lambda attempt: (attempt.mismatch.fitting, -len(attempt.mismatch.unexpected)))
    place = f" (at {' → '.join(best.where)})" if best.where else ""
    lines = [f"the weights in {source}{place} do not fit the network: {best.mismatch.fitting} names fit, and"]
    return InputError(
        "\n".join(lines + best.mismatch.lines()),
        hint="The network (of --arch, or of the recipe) must have the file's names and shapes.",
    )


def _complete(tensors: dict[str, Tensor], tied: list[list[str]], source: str) -> dict[str, Tensor]:
    """With every name of each tied group, which must not contradict each other."""
    complete = dict(tensors)
    for group in tied:
        given = [name for name in group if name in tensors]
        for name in given[1:]:
            if not torch.equal(tensors[given[0]], tensors[name]):
                raise InputError(
                    f"{source} has different values for {given[0]} and {name}, which the network shares",
                    hint="Do not tie these two parameters in --arch.",
                )
        complete |= {name: tensors[given[0]] for name in group if given}
    return complete


def _assign(module: nn.Module, tensors: dict[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    """The tensors themselves become the parameters: mapped ones stay mapped unless they must be widened."""
    built = {t.dtype for t in expected.values() if t.is_floating_point()}
    given = {t.dtype for t in tensors.values() if t.is_floating_point()}
    if built | given:
        # The narrowest dtype that holds every value of all of these exactly.
        dtype = reduce(torch.promote_types, built | given)
        copied = sum(t.numel() for t in tensors.values() if t.is_floating_point() and t.dtype != dtype)
        memory.require(copied * dtype.itemsize, f"widening the weights of {source}")
        tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
        if built != {dtype}:
            module.to(dtype)
    module.load_state_dict(tensors, strict=False, assign=True)


def _tie(module: nn.Module, group: list[str]) -> None:
    owner, _, leaf = group[0].rpartition(".")
    shared = getattr(module.get_submodule(owner), leaf)
    for name in group[1:]:
        owner, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(owner), leaf, shared)


def _check_no_meta(module: nn.Module, source: str) -> None:
    named = [*module.named_parameters(), *module.named_buffers()]
    empty = [name for name, tensor in named if tensor.is_meta]
    if empty:
        raise InputError(
            f"the network builds {', '.join(empty)} on the meta device, and {source} has no values for them",
            hint="Build these buffers with values in --arch.",
        )
