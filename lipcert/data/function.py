"""`--data package.module:function`: the user's own code that returns the examples; naming it executes it."""

import hashlib
import re
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lipcert.checkpoint.hashing import tensor_sha256
from lipcert.data.arrays import from_code
from lipcert.data.dataset import Dataset, checked, integers
from lipcert.errors import InputError
from lipcert.named import find, here, importable_from_here

_SPEC = re.compile(r"([^:]+\.py|\w+(?:\.\w+)*):(\w+)")
_RETURN = "It is called without arguments and returns (inputs, labels): arrays, or a list of texts and labels."


def is_function(spec: str) -> bool:
    return _SPEC.fullmatch(spec) is not None and not here(spec).exists()


def read(spec: str, limit: int | None) -> Dataset:
    """What the function returns, as it is: float inputs (N, ...), token ids (N, L) or N strings; labels (N,).

    Raises UsageError where there is no such function, InputError where it fails or returns something else.
    """
    inputs, labels = _called(spec)
    y = _array(labels, spec)
    if isinstance(inputs, list | tuple) and all(isinstance(text, str) for text in inputs):
        return _texts(list(inputs), integers(y, spec), spec, limit)
    x = _array(inputs, spec)
    if not x.ndim or not y.ndim or len(x) != len(y):
        raise InputError(f"--data {spec} returned inputs of shape {x.shape} and labels of {y.shape}", hint=_RETURN)
    return from_code(x[:limit], y[:limit], spec, _sha256(_hash(x), _hash(y)))


def _texts(texts: list[str], labels: NDArray[np.int64], spec: str, limit: int | None) -> Dataset:
    if len(texts) != len(labels):
        raise InputError(f"--data {spec} returned {len(texts)} texts and {len(labels)} labels", hint=_RETURN)
    sha256 = _sha256(*(hashlib.sha256(text.encode()).hexdigest() for text in texts), _hash(labels))
    return checked(Dataset(texts[:limit], labels[:limit], None, spec, sha256, "text"))


def _called(spec: str) -> tuple[Any, Any]:
    with importable_from_here():
        function = find(spec, f"--data {spec}", _RETURN)
        try:
            result = function()
        except Exception as error:
            raise InputError(f"--data {spec} raised {type(error).__name__}: {error}", hint=_RETURN) from error
    if not isinstance(result, tuple) or len(result) != 2:
        raise InputError(f"--data {spec} returned {type(result).__name__}, no pair", hint=_RETURN)
    return result


def _array(values: Any, spec: str) -> NDArray[Any]:
    """Of a tensor, an array or nested lists."""
    try:
        array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"--data {spec} returned what is no array: {error}", hint=_RETURN) from error
    if array.dtype.kind not in "biuf":
        raise InputError(f"--data {spec} returned an array of {array.dtype}, no numbers", hint=_RETURN)
    return array


def _hash(array: NDArray[Any]) -> str:
    return tensor_sha256(torch.from_numpy(np.ascontiguousarray(array)))


def _sha256(*hashes: str) -> str:
    return hashlib.sha256("".join(f"{each}\n" for each in hashes).encode("ascii")).hexdigest()
