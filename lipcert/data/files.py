"""Reading the bytes of files: with a refusal where they are damaged, mapped where they are large."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipcert.checkpoint.hashing import file_sha256
from lipcert.errors import InputError

LARGE = 1 << 26
"""Bytes; what is larger is mapped where its format allows that, and so never in memory as a whole."""

_GZIP = b"\x1f\x8b"
_DAMAGED = "It is truncated or damaged: copy or download it again."


def content(path: Path) -> bytes:
    """All bytes of a file, unpacked where it is packed by gzip. Raises InputError where it cannot be."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw.startswith(_GZIP) else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} cannot be unpacked by gzip: {error}", hint=_DAMAGED) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="Name a readable file.") from error


def octets(path: Path) -> NDArray[np.uint8]:
    """The bytes of a file as numbers, (size,), unpacked; mapped where it is large and not packed."""
    if path.stat().st_size > LARGE and start(path, 2) != _GZIP:
        return np.memmap(path, np.uint8, mode="r")
    return np.frombuffer(content(path), np.uint8)


def start(path: Path, size: int) -> bytes:
    """The first bytes of a file as they are stored."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="Name a readable file.") from error


def text(path: Path) -> str:
    """A file as UTF-8, its line ends as they are. Raises InputError where it is no text."""
    return decoded(content(path), str(path))


def decoded(raw: bytes, name: str) -> str:
    """UTF-8 as text. Raises InputError, naming the line, where it is none."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}:{line} is no UTF-8 text", hint="Store it as UTF-8.") from error


def files_sha256(folder: Path, files: Iterable[Path]) -> str:
    """Hexadecimal SHA-256 of a line for each file: its hash, a space, its path from `folder`, a newline."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{file_sha256(path)} {path.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()


def damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path} {what}", hint=_DAMAGED)
