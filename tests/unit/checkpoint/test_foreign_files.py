"""What is no checkpoint is called what it is."""

import io
import os
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as safetensors_bytes

from lipcert import checkpoint
from lipcert.errors import InputError
from tests.unit.checkpoint.files import mlp_weights, saved, zipped


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
    "truncated zip": (lambda: saved(mlp_weights())[:-100], "truncated"),
    "truncated legacy": (lambda: saved(mlp_weights(), _use_new_zipfile_serialization=False)[:-20], "truncated"),
    "truncated safetensors header": (lambda: safetensors_bytes(mlp_weights())[:50], "truncated"),
    "truncated safetensors": (lambda: safetensors_bytes(mlp_weights())[:-8], "truncated"),
    "safetensors with a false header": (lambda: struct.pack("<Q", 9) + b'{"a": 1}}', "cannot be read"),
    "no tensors": (lambda: saved({"epoch": 3}), "no named tensors"),
    "a lone tensor": (lambda: saved(torch.ones(3)), "no named tensors"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_checkpoint_is_called_what_it_is(name: str, mlp: str, tmp_path: Path) -> None:
    content, message = FOREIGN[name]
    path = tmp_path / "model.pt"
    path.write_bytes(content())
    with pytest.raises(InputError, match=message):
        checkpoint.load(path, arch=mlp)


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
