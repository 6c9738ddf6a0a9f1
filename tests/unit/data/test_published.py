"""MNIST's and CIFAR-10's own formats, and a pickle that would like to be executed."""

import gzip
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipcert.data import files, unpickle
from lipcert.data.read import read
from lipcert.errors import InputError
from tests.unit.data.files import cifar_pickle, idx, octets


def mnist(folder: Path, name: str = "t10k", pack: bool = False, count: int = 3) -> Path:
    ending, packed = (".gz", gzip.compress) if pack else ("", bytes)
    images = folder / f"{name}-images-idx3-ubyte{ending}"
    images.write_bytes(packed(idx(octets(count, 4, 5))))
    (folder / f"{name}-labels-idx1-ubyte{ending}").write_bytes(packed(idx(np.arange(count, dtype=np.uint8))))
    return images


@pytest.mark.parametrize("pack", [False, True])
def test_idx_files_are_found_from_the_images_and_from_the_folder(tmp_path: Path, pack: bool) -> None:
    images = mnist(tmp_path, pack=pack)
    mnist(tmp_path, "train", count=7)
    for spec in (images, tmp_path):
        found = read(str(spec))
        assert (found.inputs[:] == octets(3, 4, 5)[:, None] / np.float32(255)).all()
        assert found.labels.tolist() == [0, 1, 2]
        assert found.range == (0, 1)
    assert read(str(images)).sha256 == read(str(tmp_path), limit=1).sha256


def test_idx_files_that_are_large_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = mnist(tmp_path)
    monkeypatch.setattr(files, "LARGE", 1)
    assert (read(str(images)).inputs[:] == octets(3, 4, 5)[:, None] / np.float32(255)).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(octets(3, 4, 5))[:-1], "announces 3×4×5 bytes and holds 59"),
        (idx(octets(3, 4, 5))[:9], "starts with 00000803"),
        (idx(octets(2, 4, 5)), "holds 2 images and .* 3 labels"),
        (idx(octets(3)), "starts with 00000801"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "announces 4294967295×4294967295"),
        (gzip.compress(idx(octets(3, 4, 5)), mtime=0)[:-5], "cannot be unpacked by gzip"),
        (gzip.compress(idx(octets(3, 4, 5)), mtime=0)[:-8] + bytes(8), "cannot be unpacked by gzip"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    images = mnist(tmp_path)
    images.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(str(images))


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    images = mnist(tmp_path)
    images.with_name("t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match=r"there is no t10k-labels-idx1-ubyte\[\.gz\]"):
        read(str(images))


def python_2_pickle(raw: bytes, labels: list[int]) -> bytes:
    """Opcode by opcode what Python 2 wrote: contents and keys as its str."""
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    state = (
        b"(K\x01K"
        + bytes([len(labels)])
        + b"M\x00\x0c\x86"
        + dtype
        + b"\x89T"
        + struct.pack("<i", len(raw))
        + raw
        + b"tb"
    )
    listed = b"]" + b"".join(b"K" + bytes([label]) + b"a" for label in labels)
    return b"\x80\x02}(U\x04data" + array + state + b"U\x06labels" + listed + b"u."


@pytest.mark.parametrize("protocol", ["python 2", 2, 3, 4])
def test_pickled_batches_are_read(tmp_path: Path, protocol: Any) -> None:
    x, y = octets(3, 3, 32, 32), [9, 0, 5]
    content = python_2_pickle(x.tobytes(), y) if protocol == "python 2" else cifar_pickle(x, y, protocol)
    (tmp_path / "test_batch").write_bytes(content)
    for spec in (tmp_path, tmp_path / "test_batch"):
        found = read(str(spec))
        assert (found.inputs[:] == x / np.float32(255)).all()
        assert found.labels.tolist() == y
        assert (found.classes, found.shape) == (10, (3, 32, 32))


def test_the_training_batches_follow_one_another(tmp_path: Path) -> None:
    for number in (2, 1):
        (tmp_path / f"data_batch_{number}").write_bytes(cifar_pickle(octets(2, 3, 32, 32, seed=number), [number] * 2))
    found = read(str(tmp_path), limit=3)
    assert found.labels.tolist() == [1, 1, 2]
    assert (found.inputs[2] == octets(2, 3, 32, 32, seed=2)[0] / np.float32(255)).all()


def test_binary_batches_are_read_and_checked(tmp_path: Path) -> None:
    x, y = octets(2, 3, 32, 32), np.array([[3], [10]], np.uint8)
    path = tmp_path / "test_batch.bin"
    path.write_bytes(np.hstack([y, x.reshape(2, -1)]).tobytes())
    assert (read(str(path), limit=1).inputs[0] == x[0] / np.float32(255)).all()
    with pytest.raises(InputError, match="label of row 1 is 10; classes are numbered from 0 to 9"):
        read(str(tmp_path))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="no multiple of 3073"):
        read(str(path))


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("protocol", range(1, 6))
def test_a_pickle_that_names_code_is_refused_and_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("test_batch").write_bytes(pickle.dumps({"data": Hostile()}, protocol=protocol))
    with pytest.raises(InputError, match=r"names (posix|nt)\.mkdir, .* Nothing was executed"):
        read(str(tmp_path))
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1], "holds list, no table"),
        ({b"labels": [1]}, "no data of N×3072"),
        ({b"data": np.zeros((1, 3072), np.uint8)}, "no labels"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [1.5]}, "no labels that are a list of integers"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [1, 2]}, "holds 1 images and 2 labels"),
        ({b"data": np.zeros((1, 3072)), b"labels": [1]}, "something else than bytes"),
        ({b"data": np.zeros((1, 3071), np.uint8), b"labels": [1]}, "no data of N×3072"),
        ({b"data": np.dtype("u1"), b"labels": [1]}, "numpy.dtype where an array"),
    ],
)
def test_a_pickle_that_is_no_batch_is_refused(tmp_path: Path, batch: Any, message: str) -> None:
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(InputError, match=message):
        read(str(tmp_path))


@given(st.data())
def test_a_damaged_pickle_is_refused_or_read_and_never_crashes(data: st.DataObject) -> None:
    raw = bytearray(cifar_pickle(octets(1, 3, 32, 32), [3]))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 150) | st.integers(len(raw) - 60, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpickle.load(bytes(raw), "it")
    except InputError as error:
        assert error.message.startswith("it ")  # noqa: PT017 - either outcome is right
