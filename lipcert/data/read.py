"""A path or a function → a dataset, by what the file or the folder contains."""

from pathlib import Path

from lipcert.data import cifar, files, folder, function, idx, lines, npz
from lipcert.data.dataset import Dataset, Split
from lipcert.errors import InputError, UsageError
from lipcert.named import here

_ZIP, _GZIP, _PICKLE, _IDX = b"PK", b"\x1f\x8b", b"\x80", b"\x00\x00\x08"
FORMATS = (
    "an .npz, a folder with a sub-folder of images for every class, MNIST's idx files, CIFAR-10's batches, lines of "
    "an integer and text, or file.py:function"
)


def read(spec: str, *, limit: int | None = None, split: Split = "test") -> Dataset:
    """The first `limit` examples (all if None) of what `spec` names: a file, a folder, or module:function.

    A function is imported and called; nothing that a file holds is executed.
    split: of a test set and a training set in one place, which one is read.
    Raises UsageError where `spec` makes no sense, InputError where it cannot be read or holds what is no example.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} leaves no example", hint="Give at least 1.")
    if function.is_function(spec):
        return function.read(spec, limit)
    path = here(spec)
    if path.is_dir():
        return _folder(path, spec, limit, split)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file or folder; it is expected at {path.absolute()}",
            hint=f"Nothing is downloaded. Readable are {FORMATS}.",
        )
    return _file(path, spec, limit, split)


def has_both(spec: str) -> bool:
    """Whether `spec` names a place with a test set and a training set."""
    path = here(spec)
    if path.is_dir():
        return idx.has_both(path) if idx.find(path) else cifar.has_both(path)
    return path.is_file() and _is_npz(path, files.start(path, 4)) and npz.has_both(path)


def _folder(path: Path, spec: str, limit: int | None, split: Split) -> Dataset:
    if images := idx.find(path, split):
        return idx.read(images, spec, limit)
    if batches := cifar.find(path, split):
        return cifar.read(batches, spec, limit)
    if folder.sub_folders(path):
        return folder.read(path, spec, limit)
    raise InputError(f"{path} has neither idx files, nor CIFAR-10's batches, nor sub-folders", hint=f"Give {FORMATS}.")


def _is_npz(path: Path, head: bytes) -> bool:
    return head.startswith(_ZIP) or path.suffix == ".npz"


def _file(path: Path, spec: str, limit: int | None, split: Split) -> Dataset:
    head = files.start(path, 4)
    if _is_npz(path, head):
        return npz.read(path, spec, limit, split)
    if head.startswith(_IDX) or (head.startswith(_GZIP) and files.content(path).startswith(_IDX)):
        return idx.read(path, spec, limit)
    if head.startswith(_PICKLE) or path.suffix == ".bin":
        return cifar.read([path], spec, limit)
    if path.suffix == ".npy":
        raise InputError(f"{path} is one array, and labels are needed too", hint="Store both in an .npz, as x and y.")
    return lines.read(path, spec, limit)
