"""Small files in the formats that data come in."""

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def octets(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def cifar_pickle(x: NDArray[np.uint8], y: list[int], protocol: int = 2) -> bytes:
    """As Python 2 wrote it: keys and contents in bytes."""
    return pickle.dumps({b"data": x.reshape(len(x), -1), b"labels": y, b"batch_label": b"test"}, protocol=protocol)


def npz(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)
