"""ONNX files: the names and values of weights, and names that are no names of modules or of code."""

from pathlib import Path
from urllib.parse import unquote

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import lipcert
from lipcert import checkpoint
from lipcert.checkpoint.tree import Tree
from lipcert.errors import InputError
from tests.unit.onnx_files import LINEAR, W, bounded, export, loaded, mlp, rewritten, seeded, write


def test_weights_have_the_names_and_values_of_the_module_that_was_exported(tmp_path: Path) -> None:
    module = seeded(mlp)
    model = checkpoint.load(export(module, (6,), tmp_path / "net"))
    assert model.module is not None
    assert not model.module.training
    state, expected = model.module.state_dict(), module.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert model.provenance is not None
    assert model.provenance.format == "ONNX"
    assert [tuple(x.shape) for x in model.example_inputs] == [(1, 6)]
    bound = lipcert.bound(model.module, model.example_inputs, seconds=0.0)
    assert list(bound.layers["path"]) == ["/0/Gemm", "/1/Relu", "/2/Gemm", "/3/Tanh", "/4/Gemm"]


@pytest.mark.parametrize(
    "name",
    ["a", "a.b", "a.", ".a", "a..b", "forward", "x.forward", "training", "_plan", "_taken", "é", 'x") or f("', "a b"],
)
def test_any_name_of_a_weight_is_kept_and_can_be_read_back(name: str) -> None:
    tree = Tree()
    held = tree.hold(name, torch.ones(2), weight=True)
    assert list(tree.state_dict()) == [held]
    assert unquote(held) == name
    assert torch.equal(tree.tensor(held), torch.ones(2))
    assert all(each.isalnum() or each in "%./:_-" for each in held)


@pytest.mark.parametrize("name", ["self", "torch", "inputs_0", "matmul", "self.self"])
def test_a_weight_may_have_a_name_of_generated_code(name: str, tmp_path: Path) -> None:
    path = rewritten(write(tmp_path / "net", LINEAR, W=W), lambda model: _with_weight(model, name))
    assert bounded(path).upper == pytest.approx(float(np.linalg.norm(W, 2)), rel=1e-4)


def _with_weight(model: onnx.ModelProto, name: str) -> None:
    model.graph.initializer[0].name = name
    model.graph.node[0].input[1] = name


def test_names_that_are_paths_of_each_other_are_all_kept() -> None:
    tree = Tree()
    names = ["a", "a.b", "a.b.c", "b.c", "b"]
    held = [tree.hold(name, torch.tensor(float(i)), weight=i % 2 == 0) for i, name in enumerate(names)]
    assert [unquote(each) for each in held] == names
    assert [float(tree.tensor(each)) for each in held] == [0, 1, 2, 3, 4]
    places = [tree.place(name) for name in ("a", "b", "b", "c.d", "c", "")]
    assert len(set(places)) == len(places)
    assert all(tree.get_submodule(place) is not tree for place in places)


def test_a_name_cannot_become_code(tmp_path: Path) -> None:
    name = 'W"); raise SystemExit("was run") #'
    path = write(tmp_path / "net", LINEAR, W=W)
    rewritten(path, lambda model: (_renamed(model, "W", name), model.graph.node[0].__setattr__("name", name)))
    model = checkpoint.load(path)
    assert model.module is not None
    lipcert.bound(model.module, model.example_inputs, seconds=0.0)
    assert [unquote(each) for each in model.module.state_dict()] == [name]


def _renamed(model: onnx.ModelProto, old: str, new: str) -> None:
    for tensor in model.graph.initializer:
        tensor.name = new if tensor.name == old else tensor.name
    for node in model.graph.node:
        node.input[:] = [new if each == old else each for each in node.input]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_weights_of_every_float_type_are_exact(dtype: torch.dtype, tmp_path: Path) -> None:
    number = {
        torch.float16: TensorProto.FLOAT16,
        torch.bfloat16: TensorProto.BFLOAT16,
        torch.float64: TensorProto.DOUBLE,
    }
    value = (torch.arange(12, dtype=torch.float64).reshape(4, 3) / 3).to(dtype)
    raw = value.contiguous().view(torch.uint8).numpy().tobytes()
    tensor = helper.make_tensor("W", number[dtype], [4, 3], raw, raw=True)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["m"]), helper.make_node("Relu", ["m"], ["y"])], "g",
        [helper.make_tensor_value_info("x", number[dtype], [1, 4])],
        [helper.make_tensor_value_info("y", number[dtype], [1, 3])], [tensor],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "net").write_bytes(model.SerializeToString())
    found = checkpoint.load(tmp_path / "net")
    assert found.module is not None
    assert found.example_inputs[0].dtype is dtype
    assert torch.equal(found.module.state_dict()["W"], value)
    lipcert.bound(found.module, found.example_inputs, seconds=0.0)


def test_a_cast_inside_is_widened_with_the_weights(tmp_path: Path) -> None:
    text = "g (float[1,4] x) => (float[1,3] y) { d = Cast<to=10>(x) f = Cast<to=1>(d) y = MatMul(f, W) }"
    module = loaded(write(tmp_path / "net", text, W=W))
    assert list(module.state_dict()) == ["W"]
    x = torch.rand(1, 4, dtype=torch.float64)
    assert torch.equal(module.double()(x), x @ torch.from_numpy(W).double())


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    bad = W.copy()
    bad[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinite: W"):
        checkpoint.load(write(tmp_path / "net", LINEAR, W=bad))
