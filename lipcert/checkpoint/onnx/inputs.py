"""What an ONNX file says of its inputs, and the example inputs that follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lipcert.checkpoint import examples
from lipcert.checkpoint.onnx.file import AGAIN
from lipcert.checkpoint.onnx.tensors import dtype_of
from lipcert.errors import InputError, UnsupportedError, UsageError

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

Size = int | str
"""A number, or the name of a size that is left open."""


@dataclass(frozen=True)
class Declared:
    """An input. sizes: None where the file does not say even how many axes there are."""

    name: str
    dtype: torch.dtype
    sizes: tuple[Size, ...] | None

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(map(str, self.sizes or ('unknown',)))})"

    @property
    def batched(self) -> bool:
        """Whether the first axis is one of examples: open, or of size 1. Else the whole input is one example."""
        return self.open or bool(self.sizes and self.sizes[0] == 1)

    @property
    def open(self) -> bool:
        """Whether the file takes any number of examples."""
        return self.sizes is None or (bool(self.sizes) and isinstance(self.sizes[0], str))


def declared(model: "ModelProto", path: Path) -> list[Declared]:
    """The inputs that a caller gives; old files list their weights among them."""
    weights = {tensor.name for tensor in model.graph.initializer}
    given = [_one(value, path) for value in model.graph.input if value.name not in weights]
    if not given:
        raise InputError(f"{path} has no inputs, so it computes a constant", hint=AGAIN)
    return given


def _one(value: "ValueInfoProto", path: Path) -> Declared:
    if not value.type.HasField("tensor_type"):
        raise UnsupportedError(f"{path} takes {value.name}, which is no tensor", hint=AGAIN)
    kind = value.type.tensor_type
    dtype = dtype_of(kind.elem_type, f"the input {value.name} of {path}")
    if not kind.HasField("shape"):
        return Declared(value.name, dtype, None)
    sizes = [size.dim_value if size.HasField("dim_value") else size.dim_param or "?" for size in kind.shape.dim]
    return Declared(value.name, dtype, tuple(size if isinstance(size, str) or size > 0 else "?" for size in sizes))


def tables(model: "ModelProto") -> dict[str, int]:
    """Input → the rows of the smallest table that looks up its token ids."""
    rows = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    found: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type == "Gather" and node.input[0] in rows:
            found[node.input[1]] = min(rows[node.input[0]], found.get(node.input[1], rows[node.input[0]]))
    return found


def example_inputs(
    inputs: Sequence[Declared],
    ids: Mapping[str, int],
    given: Sequence[examples.Shape | examples.Ids] | None,
    path: Path,
) -> tuple[Tensor, ...]:
    """One batch of one for each input: uniform numbers; integers are token ids 0, or 1 where no table looks them up.

    ids: the inputs that are looked up. A mask of 1 hides nothing.

    Raises UsageError where a size is open and not given, or given otherwise than the file says.
    """
    if given and len(given) != len(inputs):
        raise UsageError(
            f"{path} takes {len(inputs)} inputs, {', '.join(map(str, inputs))}, and {len(given)} shapes were given",
            hint="Give one --input SHAPE for each, in order; the first one is perturbed.",
        )
    shapes = [_shape(one, given[i] if given else None, path) for i, one in enumerate(inputs)]
    made = examples.from_shapes([
        shape if one.dtype.is_floating_point else examples.Ids(shape)
        for one, shape in zip(inputs, shapes, strict=True)
    ])  # fmt: skip
    filled = (x if x.is_floating_point() or one.name in ids else x + 1 for x, one in zip(made, inputs, strict=True))
    return tuple(x.to(one.dtype) for x, one in zip(filled, inputs, strict=True))


def _shape(one: Declared, given: examples.Shape | examples.Ids | None, path: Path) -> tuple[int, ...]:
    """The shape without the batch."""
    shape = given.shape if isinstance(given, examples.Ids) else given
    sizes = one.sizes if one.sizes is None or not one.batched else one.sizes[1:]
    if shape is None:
        fixed = [size for size in sizes or () if isinstance(size, int)]
        if sizes is None or len(fixed) < len(sizes):
            raise UsageError(
                f"{path} leaves the shape of its input open: {one}",
                hint="Give it without the batch, --input 1,28,28, once for each input.",
            )
        return tuple(fixed)
    fits = sizes is None or (
        len(sizes) == len(shape) and all(isinstance(a, str) or a == b for a, b in zip(sizes, shape, strict=True))
    )
    if not fits:
        whole = "" if one.batched else ", which has no axis of examples that is open or 1"
        raise UsageError(
            f"--input {','.join(map(str, shape))} does not fit the input {one} of {path}{whole}",
            hint="Give the shape that the file says, without the batch, or export the network for another one.",
        )
    return shape
