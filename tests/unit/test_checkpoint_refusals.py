"""Files that cannot be used: each is refused with what was seen and what to do, and nothing is executed."""

import contextlib
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as safetensors_bytes
from torch import nn

from lipcert import checkpoint
from lipcert.checkpoint import memory
from lipcert.checkpoint.examples import Ids
from lipcert.errors import InputError, LipcertError, ResourceError, UnsupportedError, UsageError

ARCH = """
import torch
from torch import nn

def net():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.rand(1, 4)

def bare():
    return net()[0]

def raises():
    raise RuntimeError("no such dataset")

def wrong():
    return "a string"

def needs(width):
    return nn.Linear(width, width)
"""


@pytest.fixture
def arch(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(ARCH)
    return f"{tmp_path / 'nets.py'}:net"


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).state_dict()


def saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return buffer.getvalue()


def numpy_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def scripted() -> bytes:
    return zipped({"net/data.pkl": b"", "net/constants.pkl": b"", "net/code/__torch__.py": b""})


FOREIGN: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "png": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(64), "PNG picture"),
    "jpeg": (lambda: b"\xff\xd8\xff\xe0" + bytes(64), "JPEG picture"),
    "numpy": (numpy_file, "NumPy array"),
    "keras": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
    "gguf": (lambda: b"GGUF" + bytes(64), "GGUF"),
    "tar": (tarred, "tar archive"),
    "web page": (lambda: b"\n<!DOCTYPE html><html></html>", "web page"),
    "git lfs": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "json": (lambda: b'{"weight_map": {}}', "no weight_map"),
    "text": (lambda: b"once upon a time", "is text"),
    "noise": (lambda: bytes(range(200, 250)), "unknown kind"),
    "other zip": (lambda: zipped({"notes.txt": b"hello"}), r"notes\.txt"),
    "empty zip": (lambda: zipped({}), "a zip archive of nothing"),
    "torchscript": (scripted, "TorchScript"),
    "pickle": (lambda: pickle.dumps({"a": 1}), "pickle that torch.save did not write"),
    "truncated zip": (lambda: saved(weights())[:-100], "truncated"),
    "truncated legacy": (lambda: saved(weights(), _use_new_zipfile_serialization=False)[:-20], "truncated"),
    "truncated safetensors header": (lambda: safetensors_bytes(weights())[:50], "truncated"),
    "truncated safetensors": (lambda: safetensors_bytes(weights())[:-8], "truncated"),
    "safetensors with a false header": (lambda: struct.pack("<Q", 9) + b'{"a": 1}}', "cannot be read"),
    "no tensors": (lambda: saved({"epoch": 3}), "no named tensors"),
    "a lone tensor": (lambda: saved(torch.ones(3)), "no named tensors"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_checkpoint_is_called_what_it_is(name: str, arch: str, tmp_path: Path) -> None:
    content, message = FOREIGN[name]
    path = tmp_path / "model.pt"
    path.write_bytes(content())
    with pytest.raises(InputError, match=message):
        checkpoint.load(path, arch=arch)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "model.pth").touch()
    with pytest.raises(InputError, match=r"model\.pt does not exist\n.*model\.pth"):
        checkpoint.load(tmp_path / "model.pt")


def test_a_directory_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "model.pt").touch()
    with pytest.raises(InputError, match=r"is a directory[^\n]*\n.*model\.pt"):
        checkpoint.load(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        checkpoint.load(tmp_path / "pipe")


def test_a_zip_bomb_is_not_unpacked(arch: str, tmp_path: Path) -> None:
    entries = {"bomb/data.pkl": b"", "bomb/data/0": bytes(50_000_000)}
    (tmp_path / "m.pt").write_bytes(zipped(entries, zipfile.ZIP_DEFLATED))
    with pytest.raises(InputError, match="zip bomb"):
        checkpoint.load(tmp_path / "m.pt", arch=arch)


def test_a_small_tensor_that_claims_to_be_huge_is_not_filled(tmp_path: Path, arch: str) -> None:
    torch.save({"weight": torch.zeros(1).expand(10**15)}, tmp_path / "m.pt")
    with pytest.raises(ResourceError, match="GiB"):
        checkpoint.load(tmp_path / "m.pt", arch=arch)


def test_more_than_there_is_memory_is_refused(arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(weights(), tmp_path / "mapped.pt")
    torch.save(weights(), tmp_path / "read.pt", _use_new_zipfile_serialization=False)
    torch.save({name: t.bfloat16() for name, t in weights().items()}, tmp_path / "widened.pt")
    monkeypatch.setattr(memory, "physical", lambda: 60)
    assert checkpoint.load(tmp_path / "mapped.pt", arch=arch).module is not None
    for name in ("read.pt", "widened.pt"):
        with pytest.raises(ResourceError, match="GiB"):
            checkpoint.load(tmp_path / name, arch=arch)


def test_a_module_whose_shapes_are_not_known_yet_is_refused(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "m.pt")
    (tmp_path / "lazy.py").write_text("from torch import nn\ndef net():\n    return nn.LazyLinear(2)\n")
    with pytest.raises(InputError, match="lazy"):
        checkpoint.load(tmp_path / "m.pt", arch=f"{tmp_path / 'lazy.py'}:net")


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


class EvilSystem(Evil):
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("evil", [Evil, EvilSystem])
def test_a_pickle_with_code_is_refused_and_not_run(evil: type[Evil], legacy: bool, arch: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "m.pt"
    torch.save({"state_dict": weights(), "x": evil(marker)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match="Nothing was executed") as refusal:
        checkpoint.load(path, arch=arch)
    assert "--arch" in refusal.value.hint
    assert "--trust-pickle" in refusal.value.hint
    assert not marker.exists()


def test_a_placeholder_never_becomes_the_class_it_stands_for(arch: str, tmp_path: Path) -> None:
    """A dtype forged in a pickle can make NumPy read arbitrary memory, so none is ever built from one."""
    torch.save({"state_dict": weights(), "x": np.float64(1.0)}, tmp_path / "m.pt")
    before = torch.serialization.get_safe_globals()
    checkpoint.load(tmp_path / "m.pt", arch=arch)
    loaded = checkpoint.pickled.read(tmp_path / "m.pt", "m.pt")
    assert isinstance(loaded["x"], checkpoint.pickled.Placeholder)
    assert torch.serialization.get_safe_globals() == before


def test_every_misfit_is_listed_with_the_nearest_name_first(arch: str, tmp_path: Path) -> None:
    wrong = weights()
    wrong["2.wieght"] = wrong.pop("2.weight")
    wrong["unrelated"] = wrong.pop("0.bias")
    wrong["0.weight"] = torch.ones(3, 5)
    torch.save({"state_dict": wrong}, tmp_path / "m.pt")
    with pytest.raises(InputError) as refusal:
        checkpoint.load(tmp_path / "m.pt", arch=arch)
    lines = refusal.value.message.splitlines()
    assert "(at state_dict)" in lines[0]
    assert lines[1].startswith("  missing in the file: 2.weight (2, 3); nearest in the file: 2.wieght (2, 3)")
    assert lines[2].startswith("  missing in the file: 0.bias (3,)")
    assert {"  unknown to the network: 2.wieght (2, 3)", "  unknown to the network: unrelated (3,)"} <= set(lines)
    assert lines[-1] == "  other shape: 0.weight is (3, 4) in the network and (3, 5) in the file"


def _with(name: str, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    return weights() | {name: tensor}


def _quantised() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.rand(3, 4), 0.1, 0, torch.qint8)


UNUSABLE: dict[str, tuple[Callable[[], dict[str, torch.Tensor]], type[LipcertError], str]] = {
    "nan": (
        lambda: _with("0.bias", torch.tensor([1, torch.nan, torch.inf])),
        InputError,
        r"0\.bias \(2 of 3",
    ),
    "integer": (lambda: _with("0.weight", torch.ones(3, 4).int()), InputError, r"0\.weight is int32"),
    "complex": (lambda: _with("0.weight", torch.ones(3, 4) * 1j), UnsupportedError, r"0\.weight is complex"),
    "float8": (
        lambda: _with("0.weight", torch.ones(3, 4).to(torch.float8_e4m3fn)),
        UnsupportedError,
        r"0\.weight is quantised \(float8",
    ),
    "sparse": (
        lambda: _with("0.weight", torch.ones(3, 4).to_sparse()),
        UnsupportedError,
        r"0\.weight is sparse",
    ),
    "valueless": (lambda: _with("0.weight", torch.empty(3, 4, device="meta")), UnsupportedError, "no values"),
    "packed": (lambda: {"0.qweight": torch.ones(3, 4).int()}, UnsupportedError, r"quantised: 0\.qweight"),
    "adapter": (
        lambda: {"base.0.lora_A.weight": torch.ones(1, 4), "base.0.lora_B.weight": torch.ones(3, 1)},
        InputError,
        "Merge first",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_weights_that_are_no_plain_numbers_are_refused_by_name(name: str, arch: str, tmp_path: Path) -> None:
    make, error, message = UNUSABLE[name]
    torch.save(make(), tmp_path / "m.pt")
    with pytest.raises(error, match=message):
        checkpoint.load(tmp_path / "m.pt", arch=arch)


@pytest.mark.filterwarnings("ignore")  # torch deprecates writing these
def test_a_quantised_tensor_is_refused_by_name(arch: str, tmp_path: Path) -> None:
    torch.save(_with("0.weight", _quantised()), tmp_path / "m.pt")
    with pytest.raises(UnsupportedError, match=r"0\.weight is quantised \(qint8\)"):
        checkpoint.load(tmp_path / "m.pt", arch=arch)


def test_an_adapter_is_named_before_an_architecture_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(safetensors_bytes({"a.lora_A.weight": torch.ones(1, 4)}))
    with pytest.raises(InputError, match="Merge first"):
        checkpoint.load(tmp_path / "adapter_model.safetensors")


def test_weights_alone_ask_for_the_network_and_show_what_they_are(tmp_path: Path) -> None:
    torch.save({"state_dict": weights()}, tmp_path / "m.pt")
    with pytest.raises(UsageError) as refusal:
        checkpoint.load(tmp_path / "m.pt")
    assert "4 named tensors (at state_dict)" in refusal.value.message
    assert "0.weight (3, 4)" in refusal.value.message
    assert "def net():" in refusal.value.hint


def test_an_unknown_input_shape_is_asked_for(arch: str, tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "m.pt")
    with pytest.raises(UsageError, match=r"--input 1,28,28"):
        checkpoint.load(tmp_path / "m.pt", arch=arch.replace(":net", ":bare"))


def test_an_input_shape_must_be_one(arch: str, tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "m.pt")
    with pytest.raises(UsageError, match="size below 1"):
        checkpoint.load(tmp_path / "m.pt", arch=arch, inputs=[(0,)])
    with pytest.raises(ResourceError, match="GiB"):
        checkpoint.load(tmp_path / "m.pt", arch=arch, inputs=[(10**15,)])
    with pytest.raises(UsageError, match="size below 1"):
        checkpoint.load(tmp_path / "m.pt", arch=arch, inputs=[Ids((3, 0))])
    with pytest.raises(ResourceError, match="GiB"):
        checkpoint.load(tmp_path / "m.pt", arch=arch, inputs=[Ids((10**15,))])


@pytest.mark.parametrize(
    ("suffix", "error", "message"),
    [
        ("", UsageError, "neither package.module:function"),
        (":nett", UsageError, "Did you mean net"),
        (":raises", InputError, "raised RuntimeError: no such dataset"),
        (":wrong", InputError, "returned str"),
        (":needs", InputError, "called without arguments"),
    ],
)
def test_an_arch_that_gives_no_network(
    suffix: str, error: type[LipcertError], message: str, arch: str, tmp_path: Path
) -> None:
    torch.save(weights(), tmp_path / "m.pt")
    with pytest.raises(error, match=message):
        checkpoint.load(tmp_path / "m.pt", arch=arch.replace(":net", suffix))


@pytest.mark.parametrize("place", ["no_such_package.module:net", "no/such/file.py:net"])
def test_an_arch_that_is_not_there(place: str, tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "m.pt")
    with pytest.raises(UsageError, match=r"no_such_package|there is no file"):
        checkpoint.load(tmp_path / "m.pt", arch=place)


def test_an_arch_in_a_package_is_found_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some_package_of_nets.py").write_text(ARCH)
    torch.save(weights(), tmp_path / "m.pt")
    monkeypatch.chdir(tmp_path)
    assert checkpoint.load("m.pt", arch="some_package_of_nets:net").module is not None


RECIPES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown architecture": ({"architecture": "mpl"}, "Did you mean 'mlp'"),
    "unknown argument": ({"arguments": {"widths": [4, 2], "activaton": "relu"}}, "Did you mean 'activation'"),
    "wrong argument": ({"arguments": {"widths": [4]}}, "widths"),
    "newer schema": ({"schema_version": 2}, "schema_version"),
    "unknown type": ({"input_dtype": "int32"}, "input_dtype"),
    "negative shape": ({"input_shape": [-4]}, "input_shape"),
    "other weights": ({"arguments": {"widths": [4, 5, 2]}}, "do not fit"),
    "huge network": ({"arguments": {"widths": [4, 10**9, 10**9, 2]}}, "do not fit"),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_false_recipe_is_refused(name: str, tmp_path: Path) -> None:
    change, message = RECIPES[name]
    recipe = {"schema_version": 1, "architecture": "mlp", "arguments": {"widths": [4, 2]}, "input_shape": [4]}
    tensors = {"1.weight": torch.ones(2, 4), "1.bias": torch.ones(2)}
    (tmp_path / "m.safetensors").write_bytes(
        safetensors_bytes(tensors, {"lipcert.recipe": json.dumps(recipe | change)})
    )
    with pytest.raises(InputError, match=message):
        checkpoint.load(tmp_path / "m.safetensors")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_is_a_refusal_and_never_a_crash(data: st.DataObject, arch: str, tmp_path: Path) -> None:
    originals = [
        saved(weights()),
        saved(weights(), _use_new_zipfile_serialization=False),
        safetensors_bytes(weights()),
    ]
    content = bytearray(data.draw(st.sampled_from(originals)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "m.pt").write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(LipcertError):
        checkpoint.load(tmp_path / "m.pt", arch=arch)
