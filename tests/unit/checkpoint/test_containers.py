"""Files as other tools and machines write them load with exactly the weights that were saved."""

import io
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lipcert import checkpoint
from tests.unit.checkpoint.files import assert_holds


def test_weights_that_lay_on_a_gpu_are_read_without_one(
    arch: str, weights: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file as torch.save writes it there: its storages name the device."""
    buffer = io.BytesIO()
    torch.save({"state_dict": weights}, buffer)
    path = tmp_path / "gpu.pt"
    with zipfile.ZipFile(buffer) as cpu, zipfile.ZipFile(path, "w") as gpu:
        for entry in cpu.infolist():
            content = cpu.read(entry)
            if entry.filename.endswith("/data.pkl"):
                cpu_name, gpu_name = (b"X" + struct.pack("<I", len(name)) + name for name in (b"cpu", b"cuda:0"))
                assert cpu_name in content
                content = content.replace(cpu_name, gpu_name)
            gpu.writestr(entry.filename, content)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(path)
    assert_holds(checkpoint.load(path, arch=f"{arch}:net"), weights)


def test_safetensors_are_read_whatever_they_are_called(arch: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(weights, tmp_path / "model.pt")
    assert_holds(checkpoint.load(tmp_path / "model.pt", arch=f"{arch}:net"), weights)


def test_safetensors_whose_header_begins_as_a_pickle_does(
    arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    """The length of a header is a multiple of 8: one in 32 ends in 0x80, with which a pickle begins."""
    path = tmp_path / "net.safetensors"
    for length in range(0, 256, 8):
        save_file(weights, path, metadata={"note": "n" * length})
        if path.read_bytes()[:1] == b"\x80":
            break
    else:
        raise AssertionError("no such header")
    assert_holds(checkpoint.load(path, arch=f"{arch}:net"), weights)


def test_compressed_archives_are_read_and_not_mapped(arch: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "stored.pt")
    with (
        zipfile.ZipFile(tmp_path / "stored.pt") as stored,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in stored.infolist():
            packed.writestr(entry.filename, stored.read(entry))
    assert_holds(checkpoint.load(tmp_path / "packed.pt", arch=f"{arch}:net"), weights)


def test_a_program_of_token_ids(tmp_path: Path) -> None:
    module, ids = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2)).eval(), torch.tensor([[4, 0, 1]])
    torch.export.save(torch.export.export(module, (ids,)), tmp_path / "m.pt2")
    model = checkpoint.load(tmp_path / "m.pt2")
    assert torch.equal(model.example_inputs[0], ids)
    assert model.program is not None
    assert torch.equal(model.program.module()(ids), module(ids))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("function", ["net", "double", "half"])
def test_no_weight_is_rounded(
    dtype: torch.dtype, function: str, arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    saved = {n: (t.double() / 3).to(dtype) if t.is_floating_point() else t for n, t in weights.items()}
    torch.save(saved, tmp_path / "m.pt")
    model = checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:{function}")
    assert_holds(model, saved)
    assert model.module is not None
    assert len({t.dtype for t in model.module.state_dict().values() if t.is_floating_point()}) == 1
    model.module(*model.example_inputs)
