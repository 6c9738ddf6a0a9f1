"""ONNX files: inputs and outputs, their shapes, and batches."""

from pathlib import Path

import numpy as np
import pytest
import torch

import lipcert
from lipcert import checkpoint
from lipcert.checkpoint.examples import Ids
from lipcert.errors import UnsupportedError, UsageError
from tests.unit.onnx_files import W, cnn, export, loaded, seeded, write


def test_an_open_number_of_examples_becomes_one_and_batches_are_computed(tmp_path: Path) -> None:
    module = seeded(cnn)
    model = checkpoint.load(export(module, (1, 16, 16), tmp_path / "net", batch=True))
    assert [tuple(x.shape) for x in model.example_inputs] == [(1, 1, 16, 16)]
    x = torch.rand(5, 1, 16, 16)
    assert model.module is not None
    torch.testing.assert_close(model.module(x), module(x), atol=1e-5, rtol=1e-5)


def test_open_sizes_are_asked_for_and_taken_from_the_command(tmp_path: Path) -> None:
    text = "g (float[n,2,h,w] x) => (float y) { p = GlobalAveragePool(x) f = Flatten(p) y = MatMul(f, M) }"
    path = write(tmp_path / "net", text, M=W[:2])
    with pytest.raises(UsageError, match=r"open: x \(n, 2, h, w\)[^$]*--input"):
        checkpoint.load(path)
    assert checkpoint.load(path, inputs=[(2, 5, 6)]).example_inputs[0].shape == (1, 2, 5, 6)
    with pytest.raises(UsageError, match="does not fit"):
        checkpoint.load(path, inputs=[(3, 5, 6)])
    with pytest.raises(UsageError, match="takes 1 inputs"):
        checkpoint.load(path, inputs=[(2, 5, 6), (2,)])


def test_an_input_without_an_axis_of_examples_is_one_example(tmp_path: Path) -> None:
    path = write(tmp_path / "net", "g (float[4] x) => (float[3] y) { y = MatMul(x, W) }", W=W)
    model = checkpoint.load(path)
    assert model.module is not None
    assert model.example_inputs[0].shape == (1, 4)
    assert model.module(torch.rand(5, 4)).shape == (5, 3)
    assert lipcert.bound(model.module, model.example_inputs, seconds=0.0).claim.shape == (1, 4)


def test_one_of_several_outputs_is_named(tmp_path: Path) -> None:
    text = """g (float[1,4] x) => (float[1,3] logits, int64[1] best) {
        logits = MatMul(x, W) best = ArgMax<axis=1, keepdims=0>(logits)
    }"""
    model = checkpoint.load(write(tmp_path / "net", text, W=W))
    assert model.module is not None
    with pytest.raises(UsageError, match="--output: logits, best"):
        lipcert.bound(model.module, model.example_inputs, seconds=0.0)
    assert lipcert.bound(model.module, model.example_inputs, output="logits", seconds=0.0).upper > 20
    with pytest.raises(UnsupportedError, match="jumps"):
        lipcert.bound(model.module, model.example_inputs, output="best", seconds=0.0)


def test_token_ids_are_bounded_from_their_embedding_and_a_mask_hides_nothing(tmp_path: Path) -> None:
    text = """g (int64[1,t] ids, int64[1,t] mask) => (float y) {
        e = Gather(TABLE, ids) f = Cast<to=1>(mask) a = Constant<value = int64[1] {2}>() u = Unsqueeze(f, a)
        m = Mul(e, u) y = MatMul(m, W)
    }"""
    table = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    model = checkpoint.load(write(tmp_path / "net", text, TABLE=table, W=W), inputs=[Ids((3,)), Ids((3,))])
    assert model.module is not None
    assert [x.tolist() for x in model.example_inputs] == [[[0, 0, 0]], [[1, 1, 1]]]
    assert lipcert.bound(model.module, model.example_inputs, seconds=0.0).claim.norm == "token-l2"


MIXED = {
    "along the axis": "y = Softmax<axis=0>(x)",
    "by their number": "s = Shape<end=1>(x) f = Cast<to=1>(s) y = Div(x, f)",
    "the first alone": "i = Constant<value = int64[1] {0}>() y = Gather<axis=0>(x, i)",
}


@pytest.mark.parametrize("text", MIXED.values(), ids=MIXED)
def test_an_open_axis_along_which_entries_are_mixed_is_not_one_of_examples(text: str, tmp_path: Path) -> None:
    path = write(tmp_path / "net", f"g (float[n,4] x) => (float[m,4] y) {{ {text} }}")
    with pytest.raises(UnsupportedError, match=r"y of two examples[^$]*first axis of x \(n, 4\)[^$]*fixed"):
        checkpoint.load(path)


@pytest.mark.parametrize("text", ["y = Transpose(x)", "y = Flatten<axis=2>(x)", "y = Abs(x)"])
def test_examples_may_lie_side_by_side_along_any_axis(text: str, tmp_path: Path) -> None:
    path = write(tmp_path / "net", f"g (float[n,2,2] x) => (float[a,b] y) {{ {text} }}")
    assert checkpoint.load(path).example_inputs[0].shape == (1, 2, 2)


def test_a_query_that_attends_to_nothing_is_zero_as_in_the_file(tmp_path: Path) -> None:
    text = "g (float[1,4] x) => (float y) { m = Add(x, N) s = Softmax(m) n = IsNaN(s) y = Where(n, Z, s) }"
    nothing = {"N": np.full((1, 4), -np.inf, np.float32), "Z": np.float32(0)}
    assert not loaded(write(tmp_path / "net", text, **nothing))(torch.rand(1, 4)).any()
