"""`.npz`: inputs and labels under one of the usual pairs of names."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipcert.checkpoint.hashing import file_sha256
from lipcert.data import files
from lipcert.data.arrays import from_stored
from lipcert.data.dataset import Dataset, Split
from lipcert.data.pixels import WAY_OUT
from lipcert.errors import InputError

PAIRS = (("x_test", "y_test"), ("x_train", "y_train"), ("x", "y"), ("images", "labels"))
"""Of the first two one is taken, as it is asked for, where both are there."""

_HEADER = 30
"""Bytes of a zip member's own header, before its name and its extra field, whose lengths are its last four bytes."""


def has_both(path: Path) -> bool:
    """Whether there are a test set and a training set."""
    return set(_names(path)) >= {name for pair in PAIRS[:2] for name in pair}


def read(path: Path, name: str, limit: int | None, split: Split = "test") -> Dataset:
    """The examples of an `.npz`; x and y as `from_stored` takes them."""
    x_name, y_name = _pair(_names(path), path, split)
    x, y = _array(path, x_name), _array(path, y_name)
    for key, array in ((x_name, x), (y_name, y)):
        if not array.ndim:
            raise InputError(f"{path}: {key} is a single number, not one an example", hint=WAY_OUT)
    if len(x) != len(y):
        raise InputError(
            f"{path}: {x_name} holds {len(x)} examples and {y_name} {len(y)}", hint="Every input needs one label."
        )
    return from_stored(x[:limit], y[:limit], name, file_sha256(path))


def _names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError) as error:
        raise files.damaged(path, f"cannot be read as an .npz: {error}") from error


def _pair(names: list[str], path: Path, split: Split) -> tuple[str, str]:
    found = [pair for pair in PAIRS if set(pair) <= set(names)]
    if found[:2] == list(PAIRS[:2]):
        del found[1 if split == "test" else 0]
    if len(found) == 1:
        return found[0]
    seen = f"holds {', '.join(names) or 'nothing'}"
    if found:
        choices = " or ".join(f"{x} with {y}" for x, y in found)
        raise InputError(f"{path} {seen}: the examples can be {choices}", hint=f"Keep one pair. {WAY_OUT}")
    known = "; ".join(f"{x}, {y}" for x, y in PAIRS)
    raise InputError(f"{path} {seen}, and no inputs with labels", hint=f"Name the arrays as one pair of: {known}.")


def _array(path: Path, name: str) -> NDArray[Any]:
    mapped = _mapped(path, name)
    if mapped is not None:
        return mapped
    try:
        with np.load(path, allow_pickle=False) as archive:
            array: NDArray[Any] = archive[name]
            return array
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        if "allow_pickle" in str(error):
            reason = "holds Python objects, and reading them could run code"
            raise InputError(f"{path}: {name} {reason}", hint="Store it as an array of numbers.") from error
        raise files.damaged(path, f"cannot be read: {name}: {error}") from error


def _mapped(path: Path, name: str) -> NDArray[Any] | None:
    """The array where it lies in the file, if it is large and not packed."""
    with zipfile.ZipFile(path) as archive:
        member = next(info for info in archive.infolist() if info.filename.removesuffix(".npy") == name)
    if member.compress_type != zipfile.ZIP_STORED or member.file_size <= files.LARGE:
        return None
    with path.open("rb") as file:
        file.seek(member.header_offset + _HEADER - 4)
        lengths = np.frombuffer(file.read(4), "<u2")
        file.seek(member.header_offset + _HEADER + int(lengths.sum()))
        if np.lib.format.read_magic(file) != (1, 0):
            return None
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject:
            return None
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")
