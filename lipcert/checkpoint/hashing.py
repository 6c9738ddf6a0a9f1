"""SHA-256 of tensors and files, over bytes that are defined here and nowhere else."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from numpy import uint8
from numpy.typing import NDArray
from torch import Tensor

_CHUNK = 1 << 22


def tensor_sha256(tensor: Tensor) -> str:
    """Hexadecimal SHA-256 of one ASCII header line and the elements of `tensor`.

    Header: dtype as torch names it without "torch.", one space, the sizes joined by commas, a newline:
    "float32 100,784\\n", and "float32 \\n" for a scalar. Then the elements in row-major order, each in its
    own little-endian bytes, without padding. -0.0 and 0.0 differ; strides, device and requires_grad do not
    count.

    Raises TypeError for a tensor that is not dense (quantised, sparse, without storage).
    """
    if tensor.is_quantized or tensor.layout != torch.strided or tensor.is_meta:
        raise TypeError(f"only dense tensors have a hash, not {tensor.dtype} in layout {tensor.layout}")
    dtype = str(tensor.dtype).removeprefix("torch.")
    digest = hashlib.sha256(f"{dtype} {','.join(map(str, tensor.shape))}\n".encode("ascii"))
    digest.update(_little_endian(tensor.detach()))
    return digest.hexdigest()


def _little_endian(tensor: Tensor) -> memoryview:
    plain = tensor.resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    octets: NDArray[uint8] = plain.view(torch.uint8).numpy()
    if sys.byteorder == "big":
        width = tensor.element_size() // (2 if tensor.is_complex() else 1)
        octets = octets.reshape(-1, width)[:, ::-1].ravel()
    return octets.data


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of all bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def files_sha256(paths: Sequence[Path]) -> str:
    """Hexadecimal SHA-256 of a line "hash  name" for each file, in this order."""
    lines = (f"{file_sha256(path)}  {path.name}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
