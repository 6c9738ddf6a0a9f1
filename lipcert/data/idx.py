"""MNIST's own format: a magic number, big-endian sizes, bytes; images and labels in files of their own."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipcert.data.arrays import from_stored
from lipcert.data.dataset import Dataset, Split
from lipcert.data.files import damaged, files_sha256, octets
from lipcert.errors import InputError

SETS: dict[Split, str] = {"test": "t10k", "train": "train"}
_IMAGES, _LABELS = "images", "labels"


def find(folder: Path, split: Split = "test") -> Path | None:
    """The images in a folder: of the set that is asked for where it is there, else of the other one."""
    found = {name: path for name, prefix in SETS.items() if (path := _images(folder, prefix))}
    return found.get(split) or next(iter(found.values()), None)


def has_both(folder: Path) -> bool:
    """Whether there are a test set and a training set."""
    return all(_images(folder, prefix) for prefix in SETS.values())


def _images(folder: Path, prefix: str) -> Path | None:
    found = sorted(folder.glob(f"{prefix}-{_IMAGES}?idx3-ubyte*"))
    return next((path for path in found if path.name.endswith(("-ubyte", "-ubyte.gz"))), None)


def read(path: Path, name: str, limit: int | None) -> Dataset:
    """The images in the file at `path`, with the labels in the file beside it."""
    labels = _beside(path)
    x, y = _array(path, 3), _array(labels, 1)
    if len(x) != len(y):
        raise InputError(
            f"{path} holds {len(x)} images and {labels} {len(y)} labels", hint="Take both from one download."
        )
    return from_stored(x[:limit], y[:limit], name, files_sha256(path.parent, (path, labels)))


def _beside(path: Path) -> Path:
    """t10k-images-idx3-ubyte.gz → t10k-labels-idx1-ubyte.gz, packed or not."""
    wanted = path.name.replace(_IMAGES, _LABELS).replace("idx3", "idx1").removesuffix(".gz")
    for candidate in (path.with_name(wanted), path.with_name(f"{wanted}.gz")):
        if wanted != path.name and candidate.is_file():
            return candidate
    raise InputError(
        f"{path} holds images, and there is no {wanted}[.gz] with labels", hint="Put it beside the images."
    )


def _array(path: Path, axes: int) -> NDArray[np.uint8]:
    """(N, H, W) for 3 axes, (N,) for 1."""
    raw = octets(path)
    head = 4 + 4 * axes
    if bytes(raw[:4]) != bytes((0, 0, 8, axes)) or len(raw) < head:
        raise damaged(path, f"is no idx file of bytes with {axes} axes: it starts with {bytes(raw[:4]).hex()}")
    shape = tuple(map(int, np.frombuffer(bytes(raw[4:head]), ">u4")))
    needed = int(np.prod(shape, dtype=object))
    if len(raw) - head != needed:
        raise damaged(path, f"announces {'×'.join(map(str, shape))} bytes and holds {len(raw) - head}")
    return raw[head:].reshape(shape)
