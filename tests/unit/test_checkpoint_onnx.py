"""ONNX files: what is read from them, under which names and shapes, and which are refused with the way out."""

import builtins
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data
from torch import nn

import lipcert
from lipcert import checkpoint
from lipcert.checkpoint.examples import Ids
from lipcert.checkpoint.onnx import reference
from lipcert.checkpoint.tree import Tree
from lipcert.cli.main import main
from lipcert.errors import ExitCode, InputError, LipcertError, ResourceError, UnsupportedError, UsageError
from tests.unit.onnx_files import cnn, export, keras, mlp, rewritten, seeded, write

LINEAR = "g (float[1,4] x) => (float[1,3] y) { y = MatMul(x, W) }"
W = np.arange(12, dtype=np.float32).reshape(4, 3)


def loaded(path: Path, **options: Any) -> nn.Module:
    model = checkpoint.load(path, **options)
    assert model.module is not None
    return model.module


def bounded(path: Path) -> lipcert.Bound:
    model = checkpoint.load(path)
    assert model.module is not None
    return lipcert.bound(model.module, model.example_inputs, seconds=0.0)


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


def test_local_functions_are_put_in_their_places(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["": 17, "own": 1]>
        g (float[1,4] x) => (float[1,3] y) { m = own.twice(x) y = MatMul(m, W) }
        <domain: "own", opset_import: ["": 17]> twice (a) => (b) { b = Add(a, a) }"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(numpy_helper.from_array(W, "W"))
    (tmp_path / "net").write_bytes(model.SerializeToString())
    x = torch.rand(1, 4)
    torch.testing.assert_close(loaded(tmp_path / "net")(x), 2 * x @ torch.from_numpy(W))


def outside(path: Path, where: str = "net.data") -> Path:
    """A model with its weights beside it."""
    model = onnx.load_model(str(write(path, LINEAR, W=W)))
    convert_model_to_external_data(model, location="net.data", size_threshold=0)
    onnx.save_model(model, str(path))
    return rewritten(path, lambda model: _moved(model, where)) if where != "net.data" else path


def _moved(model: onnx.ModelProto, where: str) -> None:
    for entry in model.graph.initializer[0].external_data:
        entry.value = where if entry.key == "location" else entry.value


def test_weights_beside_the_file_are_read_and_belong_to_its_hash(tmp_path: Path) -> None:
    model = checkpoint.load(outside(tmp_path / "net"))
    assert model.module is not None
    assert torch.equal(model.module.state_dict()["W"], torch.from_numpy(W))
    (tmp_path / "net.data").write_bytes((2 * W).tobytes())
    again = checkpoint.load(tmp_path / "net")
    assert model.provenance is not None
    assert again.provenance is not None
    assert model.provenance.sha256 != again.provenance.sha256


def test_missing_data_beside_the_file_are_named(tmp_path: Path) -> None:
    path = outside(tmp_path / "net")
    (tmp_path / "net.data").unlink()
    with pytest.raises(InputError, match=r"keeps W and perhaps more in net\.data, which is missing"):
        checkpoint.load(path)


def test_data_that_end_too_early_are_refused(tmp_path: Path) -> None:
    path = outside(tmp_path / "net")
    (tmp_path / "net.data").write_bytes(W.tobytes()[:-4])
    with pytest.raises(InputError, match="W"):
        checkpoint.load(path)


@pytest.mark.parametrize("where", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret", "link", ""])
def test_nothing_outside_of_the_folder_is_read(where: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(W.tobytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="not in its folder"):
        checkpoint.load(outside(folder / "net", where))


OPERATIONS = """g (float[1,4] x) => (float[1,4] y) {
    a = Det(x) b = NonZero(x) q = QuantizeLinear(x, S) c = com.microsoft.FastGelu(x)
    y = Relu(x) d = Det(x)
}"""


def test_all_operations_without_a_rule_are_named_in_one_go(tmp_path: Path) -> None:
    text = OPERATIONS.replace("com.microsoft.FastGelu", "NonZero")
    path = write(tmp_path / "net", text, S=np.float32(1))
    rewritten(path, lambda model: _foreign(model.graph.node[3]))
    with pytest.raises(UnsupportedError) as caught:
        checkpoint.load(path)
    assert "Det: no rule for this operation\n    at a, d" in caught.value.message
    assert "com.microsoft::FastGelu: only ONNX's own operations" in caught.value.message
    assert "quantised" in caught.value.message
    assert "NonZero" in caught.value.message


def _foreign(node: onnx.NodeProto) -> None:
    node.domain, node.op_type = "com.microsoft", "FastGelu"


REFUSED: dict[str, tuple[str, type[LipcertError], str]] = {
    "control flow": (
        """g (float[1,4] x) => (float[1,4] y) {
            c = Constant<value = bool {1}>()
            y = If(c)<then_branch = t () => (float z) { z = Relu(x) }, else_branch = e () => (float z) { z = Neg(x) }>
        }""",
        UnsupportedError,
        "If: it holds graphs of its own",
    ),
    "recurrent": (
        "g (float[1,1,4] x) => (float y) { y = RNN<hidden_size=4>(x, R, R) }",
        UnsupportedError,
        "recurrent layers have no rule",
    ),
    "random": (
        "g (float[1,4] x) => (float[1,4] y) { r = RandomNormalLike(x) y = Add(x, r) }",
        UnsupportedError,
        "it is random",
    ),
    "train mode": (
        "g (float[1,4] x) => (float y) { r = Constant<value_float=0.5>() t = Constant<value = bool {1}>() "
        "y = Dropout(x, r, t) }",
        UnsupportedError,
        "Dropout: train mode",
    ),
    "a form without a rule": (
        "g (float[1,1,4,4] x) => (float y) { s = Constant<value_floats=[1.0, 1.0, 2.0, 2.0]>() "
        'y = Resize<mode="linear">(x, , s) }',
        UnsupportedError,
        "Resize: mode 'linear'\n    at y",
    ),
    "shape by values": (
        "g (float[1,4] x) => (float y) { i = Cast<to=7>(x) r = Squeeze(i) y = ConstantOfShape(r) }",
        UnsupportedError,
        "depends on the values of the network's input",
    ),
    "indices": (
        "g (float[1,1,4,4] x) => (float[1,1,2,2] y, int64[1,1,2,2] i) "
        "{ y, i = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x) }",
        UnsupportedError,
        "MaxPool: its output i has no rule",
    ),
    "ids as floats": (
        "g (float[1,4] x) => (float y) { i = Cast<to=7>(x) y = Gather(W, i) }",
        UnsupportedError,
        "cannot be compared with onnxruntime on random inputs",
    ),
    "other shapes": (
        "g (float[1,5] x) => (float y) { y = MatMul(x, W) }",
        InputError,
        r"node y \(MatMul\) does not fit",
    ),
    "no input": ("g () => (float y) { y = Relu(W) }", InputError, "has no inputs"),
    "text": ("g (string[1] x) => (string[1] y) { y = Identity(x) }", UnsupportedError, "of type STRING"),
    "a value from nowhere": ("g (float[1,4] x) => (float y) { y = MatMul(x, nowhere) }", InputError, "not valid ONNX"),
    "an unknown attribute": ("g (float[1,4] x) => (float y) { y = Relu<alpha=1.0>(x) }", InputError, "not valid ONNX"),
    "an integer network": ("g (float[1,4] x) => (int64 y) { y = Shape(x) }", UnsupportedError, "does not depend on"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_bounded_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    text, kind, message = REFUSED[name]
    path = write(tmp_path / "net", text, W=W, R=np.zeros((1, 4, 4), np.float32))
    with pytest.raises(kind, match=message):
        bounded(path)


@pytest.mark.parametrize("opset", [6, 26, 99])
def test_an_opset_that_is_too_old_or_too_new_is_refused_with_the_way_out(opset: int, tmp_path: Path) -> None:
    path = rewritten(write(tmp_path / "net", LINEAR, W=W), lambda m: m.opset_import[0].__setattr__("version", opset))
    with pytest.raises(UnsupportedError, match=f"opset {opset}, and 7 to 25 are understood[^$]*convert_version"):
        checkpoint.load(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    bad = W.copy()
    bad[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinite: W"):
        checkpoint.load(write(tmp_path / "net", LINEAR, W=bad))


def test_a_tensor_that_does_not_fit_into_memory_is_refused_before_it_is_made(tmp_path: Path) -> None:
    text = """g (float[1,1] x) => (float y) {
        s = Constant<value = int64[2] {4000000, 4000000}>() z = ConstantOfShape(s) y = Add(x, z)
    }"""
    with pytest.raises(ResourceError, match="GiB"):
        checkpoint.load(write(tmp_path / "net", text))


def test_a_file_that_ends_too_early_is_called_truncated(tmp_path: Path) -> None:
    path = export(seeded(cnn), (1, 16, 16), tmp_path / "net")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="truncated"):
        checkpoint.load(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 400), octets=st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_refused_or_read_and_never_a_crash(place: int, octets: bytes, tmp_path: Path) -> None:
    content = bytearray(keras(tmp_path / "net").read_bytes())
    content[place : place + len(octets)] = octets
    (tmp_path / "net").write_bytes(content)
    with contextlib.suppress(LipcertError):
        checkpoint.load(tmp_path / "net", inputs=[(8, 8, 2)])


def test_a_file_is_compared_with_onnxruntime_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "net", LINEAR, W=W)
    made = reference._onnxruntime

    def slightly_off(path: Path, names: list[str]) -> Callable[[Any], list[Any]]:
        run = made(path, names)
        return lambda feed: [y + np.float32(1e-3) for y in run(feed)]

    monkeypatch.setattr(reference, "_onnxruntime", slightly_off)
    with pytest.raises(UnsupportedError, match="not what onnxruntime computes"):
        checkpoint.load(path)


def test_an_output_that_is_no_number_on_all_that_is_tried_is_compared_with_nothing_and_refused(tmp_path: Path) -> None:
    graph = "g (float[1, 8] x) => (float[1, 8] y) { a = Abs(x) n = Neg(a) y = Log(n) }"
    with pytest.raises(UnsupportedError, match="nothing could be compared"):
        lipcert.load(write(tmp_path / "net.onnx", graph))


def test_the_same_weights_in_another_graph_are_another_network(tmp_path: Path) -> None:
    graph, w = "g (float[1, 3] x) => (float[1, 3] y) {{ h = MatMul(x, w) y = {}(h) }}", np.ones((3, 3), np.float32)
    one, two = (lipcert.load(write(tmp_path / f"{op}.onnx", graph.format(op), w=w)) for op in ("Tanh", "Sigmoid"))
    assert one.network_sha256 is not None
    assert one.network_sha256 != two.network_sha256


def test_without_onnx_the_command_that_installs_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = write(tmp_path / "net", LINEAR, W=W), builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "onnxruntime":
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UsageError, match=r"pip install 'lipcert\[onnx\]'"):
        checkpoint.load(path)


def test_no_architecture_is_needed_or_taken(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Leave --arch out"):
        checkpoint.load(write(tmp_path / "net", LINEAR, W=W), arch="net.py:net")


def test_the_commands_bound_verify_and_attack_take_an_onnx_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    export(seeded(cnn), (1, 16, 16), tmp_path / "net.onnx")
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=draw.random((6, 1, 16, 16), dtype=np.float32), y=draw.integers(0, 3, 6))

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["lipcert", *arguments])
        return main()

    assert run("bound", "net.onnx", "--certificate", "c.json", "--seconds", "0.1", "--json") == ExitCode.OK
    assert "weights_sha256" in json.loads(capsys.readouterr().out)
    assert run("verify", "c.json", "net.onnx") == ExitCode.OK
    attack = ("attack", "net.onnx", "--data", "data.npz", "--eps", "0.1", "--norm", "l2", "--steps", "3")
    assert run(*attack, "--seconds", "0.1", "--out", "found") == ExitCode.OK, capsys.readouterr().err
