"""A pickle of plain values and NumPy arrays of bytes, read without calling anything that it names.

Python's unpickler asks `find_class` for every name and calls what it is given. Here that is a record which notes
what it was called with; NumPy's own reconstruction, which takes a hostile file at its word, is never reached. The
unpickler written in Python is used because its memory is what the file needs, not what the file claims to need.
"""

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipcert.errors import InputError

_ARRAY = {f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")}
_ENCODE = "_codecs.encode"
_KNOWN = {*_ARRAY, "numpy.ndarray", "numpy.dtype", _ENCODE}


def load(raw: bytes, name: str) -> Any:
    """What was pickled: plain values, and arrays of uint8 as arrays. Text of Python 2 comes as bytes.

    name: what to call it in messages. Raises InputError, and executes nothing.
    """
    try:
        value = _Reader(io.BytesIO(raw), encoding="bytes").load()
        return _built(value)
    except InputError as error:
        raise InputError(f"{name} {error.message}", hint=error.hint) from error
    except Exception as error:  # a hostile file can make the reader fail in any way; none is a crash
        raise InputError(
            f"{name} cannot be read as a pickle: {type(error).__name__}: {str(error)[:200]}",
            hint="It is truncated or damaged: copy or download it again.",
        ) from error


class _Reader(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> "_Name":
        full = f"{module}.{name}"
        if full not in _KNOWN:
            raise InputError(
                f"is more than arrays: its pickle names {full[:100]}, and unpickling that would run code. "
                "Nothing was executed.",
                hint="Convert it, where you trust it, to an .npz with x and y.",
            )
        return _Name(full)


class _Name:
    """What stands where the pickle names a function or a class."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> "bytes | _Object":
        if self.name == _ENCODE:  # how Python 3 writes bytes for Python 2
            text: str = arguments[0]
            return text.encode("latin-1")
        return _Object(self.name, arguments)


class _Object:
    """What stands for an object: how it was made, and the state that the pickle gives it."""

    def __init__(self, maker: str, arguments: tuple[Any, ...]) -> None:
        self.maker = maker
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _built(value: Any) -> Any:
    """`value` with its arrays made, where it is a table; deeper ones are not needed."""
    if not isinstance(value, dict):
        return value
    return {key: _array(entry) if isinstance(entry, _Object) else entry for key, entry in value.items()}


def _array(found: _Object) -> NDArray[np.uint8]:
    """From the state of an ndarray: version, shape, dtype, whether in Fortran's order, bytes."""
    if found.maker not in _ARRAY:
        raise InputError(f"holds a {found.maker} where an array is expected", hint="Convert it to an .npz.")
    _, shape, dtype, fortran, raw = found.state
    if dtype.maker != "numpy.dtype" or dtype.arguments[0] not in ("u1", b"u1"):
        raise InputError("holds an array of something else than bytes", hint="Convert it to an .npz.")
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")
