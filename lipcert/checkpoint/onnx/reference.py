"""What an ONNX file computes, by onnxruntime; by onnx's own slow evaluator where onnxruntime has no kernel."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lipcert.checkpoint import agree
from lipcert.checkpoint.onnx.batch import require_apart
from lipcert.checkpoint.onnx.inputs import Declared, tables
from lipcert.errors import InputError

if TYPE_CHECKING:
    from onnx import ModelProto

_BUG = "This is a bug in lipcert, or in the library: please report it with the model's architecture."
_Runner = Callable[[Mapping[str, Any]], Sequence[Any]]


def require_same(
    module: nn.Module, model: "ModelProto", path: Path, declared: Sequence[Declared], examples: agree.Inputs
) -> None:
    """Compares module and file on the example inputs and on random ones, and two examples with each of them alone.

    Raises UnsupportedError, InputError.
    """
    names = [value.name for value in model.graph.output]
    runner, whose = _runner(path, declared, examples, names)

    def reference(inputs: agree.Inputs) -> list[Tensor]:
        return [_to_torch(y) for y in runner(_feed(declared, inputs))]

    probes = [examples, *(_another(declared, tables(model), examples, seed) for seed in range(3))]
    agree.require_same(module, reference, probes, whose, _BUG)
    require_apart(reference, declared, (probes[1], probes[2]), names, path)


def _runner(path: Path, declared: Sequence[Declared], examples: agree.Inputs, names: list[str]) -> tuple[_Runner, str]:
    """The first of the two that can run the file."""
    problems = []
    for make, whose in ((_onnxruntime, "onnxruntime"), (_evaluator, "onnx's reference evaluator")):
        try:
            run = make(path, names)
            run(_feed(declared, examples))
        except Exception as error:  # noqa: BLE001 - neither library documents what it raises
            problems.append(f"{whose}: {(str(error).strip().splitlines() or [type(error).__name__])[0][:300]}")
        else:
            return run, whose
    raise InputError(
        f"{path} cannot be run, so that nothing can be compared with it:\n" + "\n".join(problems),
        hint="The model is not valid, or newer than the onnxruntime that is installed.",
    )


def _onnxruntime(path: Path, names: list[str]) -> _Runner:
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # what fails is raised
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(names, feed)


def _evaluator(path: Path, names: list[str]) -> _Runner:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(path))

    def run(feed: Mapping[str, Any]) -> Sequence[Any]:
        found: Sequence[Any] = evaluator.run(names, dict(feed))  # type: ignore[assignment]
        return found

    return run


def _feed(declared: Sequence[Declared], inputs: agree.Inputs) -> dict[str, Any]:
    pairs = zip(declared, inputs, strict=True)
    return {one.name: _to_numpy(x if one.batched else x[0]) for one, x in pairs}


def _to_numpy(x: Tensor) -> Any:
    if x.dtype is not torch.bfloat16:
        return x.numpy()
    import ml_dtypes  # of onnx: NumPy has no such type

    return x.contiguous().view(torch.uint16).numpy().view(ml_dtypes.bfloat16)


def _to_torch(y: Any) -> Tensor:
    import numpy as np

    array = np.array(y)
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view("uint16")).view(torch.bfloat16)
    return torch.from_numpy(array)


def _another(declared: Sequence[Declared], ids: Mapping[str, int], examples: agree.Inputs, seed: int) -> agree.Inputs:
    """Random numbers, and random token ids of the table that looks them up."""
    made = []
    for one, x in zip(declared, examples, strict=True):
        if one.name in ids and not x.is_floating_point():
            generator = torch.Generator().manual_seed(seed)
            made.append(torch.randint(ids[one.name], x.shape, generator=generator).to(x.dtype))
        else:
            made.append(agree.random_like(x, seed))
    return tuple(made)
