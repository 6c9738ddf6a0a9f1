"""The bytes that a weight's hash covers, pinned."""

import hashlib
import struct
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lipcert.checkpoint import tensor_sha256
from lipcert.checkpoint.hashing import file_sha256

PINNED: dict[str, tuple[Tensor, bytes]] = {
    "matrix": (torch.tensor([[1.0, 2.0], [3.0, -0.0]]), b"float32 2,2\n" + struct.pack("<4f", 1, 2, 3, -0.0)),
    "double": (torch.tensor([1e-310], dtype=torch.float64), b"float64 1\n" + struct.pack("<d", 1e-310)),
    "half": (torch.tensor([1.5], dtype=torch.float16), b"float16 1\n" + struct.pack("<e", 1.5)),
    "brain": (torch.tensor([1.0], dtype=torch.bfloat16), b"bfloat16 1\n\x80\x3f"),
    "scalar": (torch.tensor(7), b"int64 \n" + struct.pack("<q", 7)),
    "empty": (torch.zeros(0, 3), b"float32 0,3\n"),
    "truth": (torch.tensor([True, False]), b"bool 2\n\x01\x00"),
}


@pytest.mark.parametrize("name", PINNED)
def test_the_bytes_are_header_and_elements(name: str) -> None:
    tensor, content = PINNED[name]
    assert tensor_sha256(tensor) == hashlib.sha256(content).hexdigest()


def test_only_values_shape_and_dtype_count() -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    parameter = torch.nn.Parameter(whole.t().contiguous())
    assert tensor_sha256(whole.t()) == tensor_sha256(parameter)
    assert tensor_sha256(whole[:, ::2]) == tensor_sha256(whole[:, ::2].clone())
    assert len({tensor_sha256(each) for each in (whole, whole.t(), whole.double(), whole.reshape(12))}) == 4
    assert tensor_sha256(torch.tensor(0.0)) != tensor_sha256(torch.tensor(-0.0))


@pytest.mark.parametrize("make", [lambda: torch.empty(2, device="meta"), lambda: torch.eye(2).to_sparse()])
def test_what_is_not_dense_has_no_hash(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError, match="dense"):
        tensor_sha256(make())


def test_a_file_is_hashed_whole(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(content := bytes(range(256)) * 40_000)
    assert file_sha256(tmp_path / "f") == hashlib.sha256(content).hexdigest()
