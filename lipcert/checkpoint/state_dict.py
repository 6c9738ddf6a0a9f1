"""Files of torch.save: a state dict, something that holds one, or, only when trusted, a whole module."""

from pathlib import Path
from typing import Any

from lipcert.checkpoint import archive, memory, pickled
from lipcert.checkpoint.sniff import Format
from lipcert.errors import InputError


def read(path: Path, kind: Format, *, trust_pickle: bool) -> Any:
    """What torch.save was given. Only with `trust_pickle` can the file execute code."""
    mappable = kind is Format.TORCH_ZIP and archive.check(path, mapped=True)
    if kind is Format.TORCH_LEGACY:
        memory.require(path.stat().st_size, f"reading {path}")
    if trust_pickle:
        return _read_trusted(path)
    return pickled.read(path, str(path), mmap=mappable)


def _read_trusted(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        raise InputError(
            f"{path} cannot be unpickled: {type(error).__name__}: {error}",
            hint="The code that defines its classes must be importable here, in the version that saved it.",
        ) from error
