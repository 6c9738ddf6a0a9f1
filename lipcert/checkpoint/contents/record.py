"""What is known of a file before it becomes a network."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lipcert.checkpoint import weights
from lipcert.checkpoint.hashing import tensor_sha256
from lipcert.errors import LipcertError


@dataclass(frozen=True)
class Entry:
    """A tensor. sha256: None where it is not dense. not_finite: how many values are NaN or infinite.

    same_as: the first tensor of the same values, "" where there is none: weights that are tied.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    sha256: str | None
    not_finite: int = 0
    same_as: str = ""


@dataclass(frozen=True)
class Group:
    """Tensors that lie together. where: the keys that lead to them, and the prefix that a wrapper put before all names,
    such as ("state_dict", "module.*")."""

    where: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Problem:
    """Why something cannot be read or bounded, and what to do."""

    message: str
    hint: str

    @staticmethod
    def of(error: LipcertError) -> "Problem":
        return Problem(error.message, error.hint)


@dataclass(frozen=True)
class Contents:
    """format: as `sniff.Format` names it, "" for what is none of them. sha256: of the file, or of all files.

    tensors: of the group that is meant, likeliest, without what wrappers put before their names. metadata: what the
    file says beside its tensors. onnx: operations of an ONNX graph, and how often each is there.
    """

    path: Path
    format: str
    size: int
    sha256: str
    groups: tuple[Group, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    onnx: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    tensors: Mapping[str, Tensor] = field(default_factory=dict, repr=False)


def group(where: Iterable[str], tensors: Mapping[str, Tensor]) -> Group:
    """Measured, hashed and compared with each other."""
    first: dict[str, str] = {}
    entries = []
    for name, tensor in tensors.items():
        entry = _entry(name, tensor)
        same = first.setdefault(entry.sha256, name) if entry.sha256 and _varies(tensor) else name
        entries.append(entry if same == name else Entry(**(vars(entry) | {"same_as": same})))
    return Group(tuple(where), tuple(entries))


def _entry(name: str, tensor: Tensor) -> Entry:
    dense = not weights.not_dense(tensor)
    return Entry(
        name, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), tensor.numel() * tensor.element_size(),
        tensor_sha256(tensor) if dense else None,
        int((~torch.isfinite(tensor)).sum()) if dense and tensor.is_floating_point() else 0,
    )  # fmt: skip


def _varies(tensor: Tensor) -> bool:
    """Whether equal values say anything: zeros and ones are what many tensors begin with."""
    return tensor.numel() > 1 and bool((tensor != tensor.reshape(-1)[0]).any())
