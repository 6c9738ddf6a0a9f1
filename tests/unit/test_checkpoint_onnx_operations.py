"""Every ONNX operation that is understood computes what onnxruntime computes, in many spellings and versions."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from lipcert import checkpoint
from lipcert.checkpoint import onnx as room
from lipcert.errors import UnsupportedError
from lipcert.graph.capture import capture, trace
from tests.unit.onnx_rows import ROWS, Row

every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.op}-{row.opset}-{row.text[:60]}")


def computed(path: Path, x: Tensor) -> Tensor:
    """By onnxruntime, or where it has no kernel by onnx itself."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (y,) = session.run(["y"], {"x": x.numpy()})
    except Exception:  # noqa: BLE001 - what it raises is not documented
        (y,) = ReferenceEvaluator(str(path)).run(["y"], {"x": x.numpy()})  # type: ignore[misc]
    return torch.from_numpy(np.array(y))


@every_row
def test_an_operation_and_a_batch_of_it_example_by_example(row: Row, tmp_path: Path) -> None:
    model = checkpoint.load(row.write(tmp_path / "m"))
    assert model.module is not None
    (x,) = model.example_inputs
    if x.is_floating_point():
        x = torch.randn(x.shape, generator=torch.Generator().manual_seed(7))
    whole = x.shape[1:] == row.shape  # without an axis of examples, which the module then has in front
    y, expected = model.module(x), computed(tmp_path / "m", x[0] if whole else x)
    assert y.shape in (expected.shape, (1, *expected.shape))
    torch.testing.assert_close(y.reshape(expected.shape), expected, atol=2e-5, rtol=2e-5)
    several = torch.cat([x, x, x.flip(1)])
    apart = torch.cat([model.module(each) for each in several.split(1)])
    torch.testing.assert_close(model.module(several), apart, atol=2e-5, rtol=2e-5)


@pytest.mark.slow
@every_row
def test_an_operation_can_be_lowered(row: Row, tmp_path: Path) -> None:
    model = checkpoint.load(row.write(tmp_path / "m"))
    assert model.module is not None
    program = capture(model.module, model.example_inputs)
    if row.bounded:
        trace(program, model.example_inputs)  # compares the graph with the program
    else:
        with pytest.raises(UnsupportedError, match="jumps"):
            trace(program, model.example_inputs)


def test_every_operation_has_a_row() -> None:
    assert {row.op for row in ROWS} | {"Constant"} == set(room.operations())
