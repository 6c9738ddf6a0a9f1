"""Safetensors files: names, shapes, bytes; nothing in them can execute."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from lipcert.errors import InputError


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name, mapped from the file, and the metadata."""
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no dict
        return tensors, dict(file.metadata() or {})


def metadata(path: Path) -> dict[str, str]:
    """What the head of a file says beside the names of its tensors; none of them is read."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{path} begins as safetensors but cannot be read: {error}",
            hint="It is truncated or damaged: copy or download it again.",
        ) from error
