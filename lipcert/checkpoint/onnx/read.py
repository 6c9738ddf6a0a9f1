"""An ONNX file → a module that is known to compute what onnxruntime computes, and its example inputs."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from lipcert.checkpoint import weights
from lipcert.checkpoint.examples import Ids, Shape
from lipcert.checkpoint.onnx import file
from lipcert.checkpoint.onnx.inputs import declared, example_inputs, tables
from lipcert.checkpoint.onnx.module import OnnxModule
from lipcert.checkpoint.onnx.ops.table import OPS
from lipcert.checkpoint.onnx.plan import plan
from lipcert.checkpoint.onnx.reference import require_same


def read(path: Path, inputs: Sequence[Shape | Ids] | None) -> tuple[nn.Module, tuple[Tensor, ...], list[Path]]:
    """The network in eval mode, its example inputs, and the files it is in. Nothing in them is executed.

    inputs: the shape of each input without the batch, where the file leaves it open.
    Raises UsageError, InputError, UnsupportedError, ResourceError.
    """
    model = file.read(path)
    given = declared(model, path)
    examples = example_inputs(given, tables(model), inputs, path)
    batched = [each.batched for each in given]
    inside = [x if each else x[0] for x, each in zip(examples, batched, strict=True)]
    planned = plan(model, [each.name for each in given], inside, path)
    weights.check_values({name: value for name, value in planned.constants.items() if _wrong(value)}, str(path))
    module = OnnxModule(planned, batched).eval()
    require_same(module, model, path, given, examples)
    return module, examples, file.files(model, path)


def operations() -> list[str]:
    """The ONNX operations that are understood, by name."""
    return sorted([*OPS, "Constant"])


def _wrong(value: Tensor) -> bool:
    """NaN or +infinity; -infinity may be a mask."""
    return value.is_floating_point() and not bool((value < float("inf")).all())
