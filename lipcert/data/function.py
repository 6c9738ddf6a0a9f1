"""`--data package.module:function`: the user's own code that returns the examples; naming it executes it."""

import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipcert.checkpoint.hashing import tensor_sha256
from lipcert.data.arrays import from_code
from lipcert.data.dataset import Dataset, checked, integers
from lipcert.errors import InputError, UsageError

_SPEC = re.compile(r"([^:]+\.py|\w+(?:\.\w+)*):(\w+)")
_RETURN = "It is called without arguments and returns (inputs, labels): arrays, or a list of texts and labels."


def is_function(spec: str) -> bool:
    return _SPEC.fullmatch(spec) is not None and not Path(spec).exists()


def read(spec: str, limit: int | None) -> Dataset:
    """What the function returns, as it is: float inputs (N, ...), token ids (N, L) or N strings; labels (N,).

    Raises UsageError where there is no such function, InputError where it fails or returns something else.
    """
    function = _find(spec)
    try:
        result = function()
    except Exception as error:
        raise InputError(f"--data {spec} raised {type(error).__name__}: {error}", hint=_RETURN) from error
    if not isinstance(result, tuple) or len(result) != 2:
        raise InputError(f"--data {spec} returned {type(result).__name__}, no pair", hint=_RETURN)
    inputs, labels = result[0], _array(result[1], spec)
    sha256 = _sha256(inputs, labels) if _is_text(inputs) else ""
    if _is_text(inputs):
        return checked(Dataset(list(inputs)[:limit], integers(labels, spec)[:limit], None, spec, sha256, "text"))
    x = _array(inputs, spec)
    if not x.ndim or not labels.ndim or len(x) != len(labels):
        raise InputError(f"--data {spec} returned inputs of shape {x.shape} and labels of {labels.shape}", hint=_RETURN)
    return from_code(x[:limit], labels[:limit], spec, _sha256(x, labels))
