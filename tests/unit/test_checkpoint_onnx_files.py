"""ONNX files: local functions, data beside the file, damaged files and those too large."""

import contextlib
from pathlib import Path

import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from onnx.external_data_helper import convert_model_to_external_data

from lipcert import checkpoint
from lipcert.errors import InputError, LipcertError, ResourceError
from tests.unit.onnx_files import LINEAR, W, cnn, export, keras, loaded, rewritten, seeded, write


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
