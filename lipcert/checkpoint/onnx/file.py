"""The protobuf of an ONNX file: read, checked, its local functions put in their places. Nothing in it can execute."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from lipcert.checkpoint import memory
from lipcert.checkpoint.onnx.ops.table import OPS
from lipcert.errors import InputError, UnsupportedError, UsageError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

OLDEST, NEWEST = 7, 25
"""The versions of ONNX's operations that are understood. Before 7, sums and products named the axis to broadcast."""

AGAIN = "Export the model again: torch.onnx.export(model.eval(), inputs, path, opset_version=20)."
_STANDARD = ("", "ai.onnx")
_SHOWN = 5
_WHY: Mapping[str, str] = {
    **dict.fromkeys(("If", "Loop", "Scan", "SequenceMap"), "it holds graphs of its own: control flow"),
    **dict.fromkeys(("RNN", "LSTM", "GRU"), "recurrent layers have no rule"),
    **dict.fromkeys(
        ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger",
         "MatMulInteger"), "quantised: it rounds, so it has no Lipschitz constant",
    ),
    **dict.fromkeys(("Bernoulli", "Multinomial", "RandomNormal", "RandomUniform"), "it is random"),
    **dict.fromkeys(("RandomNormalLike", "RandomUniformLike"), "it is random"),
}  # fmt: skip


def read(path: Path) -> "ModelProto":
    """The model, its weights in the file or beside it. Raises InputError, UnsupportedError, ResourceError."""
    model = parsed(path)
    _require_version(model, path)
    if not len(model.graph.node):
        raise InputError(f"{path} is an ONNX file with an empty graph", hint=AGAIN)
    model = _inlined(model, path)
    _require_operations(model, path)
    for tensor in _tensors(model.graph):
        require_beside(tensor, path)
    _check(model, path)
    return model


def parsed(path: Path) -> "ModelProto":
    """The model as the file has it, without the data beside it. Raises UsageError, InputError, ResourceError."""
    require_onnx(path)
    import onnx

    memory.require(2 * path.stat().st_size, f"reading {path}")
    try:
        model: ModelProto = onnx.load_model(str(path), format="protobuf", load_external_data=False)
    except Exception as error:  # protobuf's errors have no common class
        raise _damaged(path, error) from error
    return model


def files(model: "ModelProto", path: Path) -> list[Path]:
    """The file, and those that hold its data."""
    outside = {_location(each) for each in _tensors(model.graph) if each.data_location == each.EXTERNAL}
    return [path, *(path.parent / where for where in sorted(outside))]


def require_onnx(path: Path) -> None:
    """onnx reads the file, onnxruntime says what it computes."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # type: ignore[import-untyped] # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{path} is an ONNX file, and reading it needs the packages onnx and onnxruntime",
            hint="pip install 'lipcert[onnx]'",
        ) from error


def version(model: "ModelProto") -> int:
    """Of ONNX's own set of operations."""
    return next((each.version for each in model.opset_import if each.domain in _STANDARD), 0)


def node_name(node: "NodeProto") -> str:
    """Its name; where it has none, that of its first output."""
    return str(node.name or next(iter(node.output), "") or node.op_type)


def _require_version(model: "ModelProto", path: Path) -> None:
    found = version(model)
    if not OLDEST <= found <= NEWEST:
        raise UnsupportedError(
            f"{path} uses opset {found}, and {OLDEST} to {NEWEST} are understood here",
            hint="Export the model again, or let ONNX rewrite it: onnx.version_converter.convert_version(model, 20).",
        )


def _inlined(model: "ModelProto", path: Path) -> "ModelProto":
    import onnx.inliner

    if not len(model.functions):
        return model
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:
        raise _damaged(path, error) from error


def _require_operations(model: "ModelProto", path: Path) -> None:
    """All operations without a rule are refused in one go, with the nodes that they are in."""
    found: dict[str, list[str]] = {}
    for node in model.graph.node:
        reason = _reason(node)
        if reason:
            found.setdefault(reason, []).append(node_name(node))
    if model.graph.sparse_initializer:
        found["sparse weights"] = [each.values.name for each in model.graph.sparse_initializer]
    if found:
        raise refusal(path, found)


def foreign(node: "NodeProto") -> bool:
    """Whether it is no operation of ONNX's own."""
    return node.domain not in _STANDARD


def _reason(node: "NodeProto") -> str:
    if foreign(node):
        return f"{node.domain}::{node.op_type}: only ONNX's own operations are understood"
    if node.op_type in OPS or node.op_type == "Constant":
        return ""
    return f"{node.op_type}: {_WHY.get(node.op_type, 'no rule for this operation')}"


def refusal(path: Path, found: Mapping[str, list[str]]) -> UnsupportedError:
    """All that cannot be bounded, as reason → names of nodes."""
    lines = [f"  {reason}\n    at {_some(names)}" for reason, names in found.items()]
    return UnsupportedError(
        f"{path} uses operations that lipcert cannot bound:\n" + "\n".join(lines),
        hint="`lipcert ops` lists what can be bounded.",
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _tensors(graph: "GraphProto") -> Iterator["TensorProto"]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def require_beside(tensor: "TensorProto", path: Path) -> None:
    """External data lie in the folder of the file: nothing else of the machine is read."""
    if tensor.data_location != tensor.EXTERNAL:
        return
    where = _location(tensor)
    inside = where and not any(part(where).is_absolute() or ".." in part(where).parts for part in _PATHS)
    folder = path.resolve().parent
    if not inside or not (folder / where).resolve().is_relative_to(folder):
        raise InputError(
            f"{path} keeps {tensor.name} in {where!r}, which is not in its folder; it is not read",
            hint="Save it again with its data beside it: onnx.save(model, path, save_as_external_data=True).",
        )
    if not (folder / where).is_file():
        raise InputError(
            f"{path} keeps {tensor.name} and perhaps more in {where}, which is missing beside it",
            hint=f"Copy or download {where} into the same folder, under this very name.",
        )


def _location(tensor: "TensorProto") -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


_PATHS = (PurePosixPath, PureWindowsPath)


def _check(model: "ModelProto", path: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return InputError(f"{path} is not valid ONNX: {lines[0][:300]}", hint=f"It may be damaged. {AGAIN}")
