"""Whether a file is an ONNX model, from the numbers of the fields on its outermost level; nothing is unpacked."""

from pathlib import Path
from typing import BinaryIO

from lipcert.errors import InputError

_NUMBER, _CONTENT = 0, 2
_FIELDS = {1: _NUMBER, 5: _NUMBER} | dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), _CONTENT)
"""Of ModelProto: field → how protobuf writes it."""
_VERSION, _GRAPH = 1, 7
_FIRST = 0x08
"""How the version begins that every library writes first."""
_BYTES = 10
"""A number has at most so many."""


def is_onnx(path: Path, size: int) -> bool:
    """Raises InputError where a file begins as an ONNX model and ends too early."""
    seen: set[int] = set()
    with path.open("rb") as file:
        while file.tell() < size:
            field, kind = divmod(_number(file), 8)
            if _FIELDS.get(field) != kind:
                return False
            seen.add(field)
            length = _number(file)
            if kind == _CONTENT and file.seek(length, 1) > size:
                return _cut_off(path, seen, size)
    return {_VERSION, _GRAPH} <= seen


def _number(file: BinaryIO) -> int:
    """Protobuf's numbers of seven bits a byte; -1 where there is none."""
    value = 0
    for place in range(_BYTES):
        byte = file.read(1)
        if not byte:
            return -1
        value |= (byte[0] & 0x7F) << 7 * place
        if byte[0] < 0x80:
            return value
    return -1


def _cut_off(path: Path, seen: set[int], size: int) -> bool:
    with path.open("rb") as file:
        first = file.read(1)[0]
    if first != _FIRST or _GRAPH not in seen:
        return False
    raise InputError(
        f"{path} begins as an ONNX model whose graph is longer than the {size:,} bytes of the file",
        hint="It is truncated: copy or download it again.",
    )
