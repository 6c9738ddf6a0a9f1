"""CIFAR-10 as it is published: batches of 3×32×32 bytes, pickled by Python or one record after the other."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipcert.checkpoint.hashing import file_sha256
from lipcert.data import files, unpickle
from lipcert.data.arrays import from_stored
from lipcert.data.dataset import Dataset, Split
from lipcert.errors import InputError

CLASSES = 10
_SHAPE = (3, 32, 32)
_BYTES = 3 * 32 * 32
_BATCHES: dict[Split, str] = {"test": "test_batch", "train": "data_batch_[1-5]"}


def find(folder: Path, split: Split = "test") -> list[Path]:
    """The batches in a folder: of the set that is asked for where it is there, else of the other one."""
    found = {name: paths for name, pattern in _BATCHES.items() if (paths := _batches(folder, pattern))}
    return found.get(split) or next(iter(found.values()), [])


def has_both(folder: Path) -> bool:
    """Whether there are a test set and a training set."""
    return all(_batches(folder, pattern) for pattern in _BATCHES.values())


def _batches(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) or sorted(folder.glob(f"{pattern}.bin"))


def read(paths: list[Path], name: str, limit: int | None) -> Dataset:
    """The images of these batches, one after the other."""
    parts = [_records(path) if path.suffix == ".bin" else _pickled(path) for path in paths]
    x, y = (np.concatenate(part) if len(part) > 1 else part[0] for part in zip(*parts, strict=True))
    sha256 = file_sha256(paths[0]) if len(paths) == 1 else files.files_sha256(paths[0].parent, paths)
    return from_stored(x[:limit], y[:limit], name, sha256, CLASSES)


def _records(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    raw = files.octets(path)
    if not len(raw) or len(raw) % (1 + _BYTES):
        raise files.damaged(path, f"holds {len(raw)} bytes, no multiple of {1 + _BYTES} (a label and a 3×32×32 image)")
    records = raw.reshape(-1, 1 + _BYTES)
    return records[:, 1:].reshape(-1, *_SHAPE), records[:, 0]


def _pickled(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    batch = unpickle.load(files.content(path), str(path))
    if not isinstance(batch, dict):
        raise _no_batch(path, f"holds {type(batch).__name__}, no table")
    x, y = (batch.get(key, batch.get(key.encode())) for key in ("data", "labels"))
    if not isinstance(x, np.ndarray) or x.ndim != 2 or x.shape[1] != _BYTES:
        raise _no_batch(path, "has no data of N×3072 bytes")
    if not isinstance(y, list) or not all(type(label) is int for label in y):
        raise _no_batch(path, "has no labels that are a list of integers")
    if len(x) != len(y):
        raise _no_batch(path, f"holds {len(x)} images and {len(y)} labels")
    return x.reshape(-1, *_SHAPE), np.array(y, dtype=np.int64)


def _no_batch(path: Path, what: str) -> InputError:
    return InputError(f"{path} is no batch of CIFAR-10: it {what}", hint="Take it as it is published, or as an .npz.")
