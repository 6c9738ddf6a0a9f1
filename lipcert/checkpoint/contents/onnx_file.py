"""What an ONNX file says, also where it uses operations that are not understood."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lipcert.checkpoint.contents.record import Problem
from lipcert.checkpoint.onnx import file, tensors
from lipcert.errors import LipcertError

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto


def model(path: Path) -> "ModelProto":
    """The protobuf alone. Raises UsageError where onnx is not installed, InputError where it cannot be read."""
    return file.parsed(path)


def files(path: Path) -> list[Path]:
    """The file, and those beside it that hold its data."""
    try:
        found = file.files(model(path), path)
    except LipcertError:
        return [path]
    return [each for each in found if each.is_file() and each.parent == path.parent]


def weights(model: "ModelProto", path: Path) -> tuple[dict[str, Tensor], tuple[Problem, ...]]:
    """Every weight by its name, and why some cannot be read."""
    found, problems = dict[str, Tensor](), list[Problem]()
    for tensor in model.graph.initializer:
        try:
            file.require_beside(tensor, path)
            found[tensor.name] = tensors.to_torch(tensor, path)
        except LipcertError as error:
            problems.append(Problem.of(error))
    return found, tuple(problems)


def told(model: "ModelProto") -> Mapping[str, Any]:
    """Producer, version of the operations, inputs and outputs."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return {
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "opset": {each.domain or "ai.onnx": each.version for each in model.opset_import},
        "inputs": [_shown(value) for value in model.graph.input if value.name not in weights],
        "outputs": [_shown(value) for value in model.graph.output],
        **{entry.key: entry.value for entry in model.metadata_props},
    }


def counted(model: "ModelProto") -> Mapping[str, int]:
    """Operations by name, those of other makers with theirs, and how often each is there."""
    return Counter(f"{n.domain}::{n.op_type}" if file.foreign(n) else n.op_type for n in model.graph.node)


def _shown(value: "ValueInfoProto") -> str:
    shape = value.type.tensor_type.shape.dim
    sizes = [str(size.dim_value) if size.HasField("dim_value") else size.dim_param or "?" for size in shape]
    return f"{value.name} ({', '.join(sizes)})"
