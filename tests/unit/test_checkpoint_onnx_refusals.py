"""ONNX files: what is refused, with the reason and the way out."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lipcert import checkpoint
from lipcert.errors import InputError, LipcertError, UnsupportedError, UsageError
from tests.unit.onnx_files import LINEAR, W, bounded, rewritten, write

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
