"""ONNX's tensors, types and attributes as torch's, every value exact."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lipcert.checkpoint import memory
from lipcert.errors import InputError, UnsupportedError

if TYPE_CHECKING:
    from onnx import AttributeProto, NodeProto, TensorProto

DTYPES: Mapping[int, torch.dtype] = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}
"""onnx.TensorProto.DataType numbers so; the types whose every value torch and binary64 have."""


def dtype_of(number: int, what: str) -> torch.dtype:
    """Raises UnsupportedError for a type without a rule."""
    if number not in DTYPES:
        from onnx import TensorProto

        known = TensorProto.DataType.values()
        name = TensorProto.DataType.Name(number) if number in known else str(number)
        raise UnsupportedError(
            f"{what} is of type {name}, which has no rule here",
            hint="Save the model in floating point: float64, float32, float16 or bfloat16.",
        )
    return DTYPES[number]


def to_torch(tensor: "TensorProto", path: Path) -> Tensor:
    """The tensor, from the file or from beside it. Raises InputError, UnsupportedError, ResourceError."""
    from onnx import numpy_helper

    dtype = dtype_of(tensor.data_type, f"{tensor.name} in {path}")
    memory.require(math.prod(tensor.dims) * dtype.itemsize, f"{tensor.name} in {path}")
    try:
        array = numpy_helper.to_array(tensor, base_dir=str(path.resolve().parent))
    except Exception as error:  # ValueError, or what onnx's own checks of external data raise
        raise InputError(
            f"{path}: {tensor.name} of shape {tuple(tensor.dims)} cannot be read: {str(error)[:200]}",
            hint="The file, or the data beside it, is damaged or of another model: copy or download both again.",
        ) from error
    if dtype is torch.bfloat16:
        return torch.from_numpy(array.view("uint16").copy()).view(dtype)
    return torch.from_numpy(array.copy()).to(dtype)


def attributes(node: "NodeProto", version: int, path: Path) -> dict[str, Any]:
    """By name: numbers, lists, text and tensors; those left out with the standard's default."""
    from onnx import defs

    schema = defs.get_schema(node.op_type, version)
    defaults = {name: attribute.default_value for name, attribute in schema.attributes.items()}
    given = {name: value for name, value in defaults.items() if value.type}
    given |= {attribute.name: attribute for attribute in node.attribute}
    return {name: _value(attribute, path) for name, attribute in given.items()}


def _value(attribute: "AttributeProto", path: Path) -> Any:
    from onnx import helper

    if attribute.HasField("t"):
        return to_torch(attribute.t, path)
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, int | float) else list(value)
