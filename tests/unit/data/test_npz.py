"""`.npz`: the usual names, bytes scaled, channels first; what is ambiguous is refused."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lipcert.data import files
from lipcert.data.dataset import fit
from lipcert.data.read import read
from lipcert.errors import InputError, UsageError
from tests.unit.data.files import npz, octets


def test_bytes_become_float32_in_0_1_with_a_channel(tmp_path: Path) -> None:
    x, y = octets(5, 4, 3), np.arange(5)
    found = read(npz(tmp_path / "a.npz", x=x, y=y))
    assert (found.kind, found.shape, found.range, len(found), found.classes) == ("images", (1, 4, 3), (0, 1), 5, None)
    expected = x[:, None].astype(np.float32) / np.float32(255)
    assert found.inputs[1:3].dtype == np.float32
    assert (found.inputs[:] == expected).all()
    assert (found.inputs[2] == expected[2]).all()
    assert (found.inputs[np.array([4, 0])] == expected[[4, 0]]).all()
    assert (np.asarray(found.inputs) == expected).all()
    assert found.labels.dtype == np.int64
    assert found.sha256 == hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest()


def test_channels_last_become_first(tmp_path: Path) -> None:
    x = octets(2, 5, 6, 3)
    found = read(npz(tmp_path / "a.npz", images=x, labels=np.zeros(2, int)))
    assert found.shape == (3, 5, 6)
    assert (found.inputs[1] == np.moveaxis(x[1], -1, 0) / np.float32(255)).all()
    first = read(npz(tmp_path / "b.npz", images=np.moveaxis(x, -1, 1), labels=np.zeros(2, int)))
    assert (first.inputs[:] == found.inputs[:]).all()


@pytest.mark.parametrize(
    ("shape", "word"), [((2, 3, 5, 3), "both"), ((2, 7, 5, 8), "neither"), ((2, 1, 1, 1, 1), "neither")]
)
def test_channels_that_cannot_be_told_are_refused(tmp_path: Path, shape: tuple[int, ...], word: str) -> None:
    with pytest.raises(InputError, match=word) as refusal:
        read(npz(tmp_path / "a.npz", x=octets(*shape), y=np.zeros(2, int)))
    assert "file.py:function" in refusal.value.hint


def test_the_test_set_is_preferred(tmp_path: Path) -> None:
    sets = {"x_train": octets(3, 2), "y_train": np.ones(3, int), "x_test": octets(2, 2), "y_test": np.zeros(2, int)}
    assert len(read(npz(tmp_path / "a.npz", **sets))) == 2
    del sets["x_test"]
    assert len(read(npz(tmp_path / "b.npz", **sets))) == 3


def test_two_pairs_are_ambiguous_and_none_is_named(tmp_path: Path) -> None:
    two = {"x": octets(2, 2), "y": np.zeros(2), "images": octets(2, 2), "labels": np.zeros(2)}
    with pytest.raises(InputError, match="x with y or images with labels"):
        read(npz(tmp_path / "a.npz", **two))
    with pytest.raises(InputError, match="holds x, labels, and no inputs with labels"):
        read(npz(tmp_path / "b.npz", x=two["x"], labels=two["labels"]))


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", x=octets(5, 4, 3), y=np.arange(5))
    some = read(path, limit=2)
    assert some.labels.tolist() == [0, 1]
    assert len(some.inputs) == 2
    assert some.sha256 == read(path).sha256
    assert len(read(path, limit=50)) == 5
    with pytest.raises(UsageError, match="no example"):
        read(path, limit=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4"])
def test_vectors_and_images_in_floating_point_stay_what_they_are(tmp_path: Path, dtype: str) -> None:
    x = np.linspace(0, 1, 24).astype(dtype)
    vectors = read(npz(tmp_path / "a.npz", x=x.reshape(2, 12) * 5, y=np.zeros(2, int)))
    assert (vectors.kind, vectors.range, vectors.shape) == ("vectors", None, (12,))
    images = read(npz(tmp_path / "b.npz", x=x.reshape(2, 4, 3), y=np.zeros(2, int)))
    assert (images.kind, images.range, images.shape) == ("images", (0, 1), (1, 4, 3))
    assert images.inputs[0].dtype.isnative
    normalised = read(npz(tmp_path / "c.npz", x=x.reshape(2, 4, 3) - 0.5, y=np.zeros(2, int)))
    assert normalised.range is None


def test_unscaled_pixels_in_floating_point_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"whole numbers from 0 to 255 .* pixels lie in \[0, 1\]"):
        read(npz(tmp_path / "a.npz", x=np.array([[[0.0, 255.0]]]), y=[0]))


def test_other_integers_are_token_ids(tmp_path: Path) -> None:
    found = read(npz(tmp_path / "a.npz", x=np.array([[5, 6], [7, 0]], np.int32), y=[0, 1]))
    assert (found.kind, found.shape) == ("tokens", (2,))
    assert found.inputs[1].tolist() == [7, 0]
    with pytest.raises(InputError, match="row 1 holds a negative token id"):
        read(npz(tmp_path / "b.npz", x=np.array([[5], [-1]]), y=[0, 1]))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0, int), "no example"),
        (np.zeros((2, 2)), np.zeros(3, int), "x holds 2 examples and y 3"),
        (np.array([[0.0], [np.nan]]), [0, 0], "row 1 holds a NaN"),
        (np.array([[np.inf], [0.0]]), [0, 0], "row 0 holds a NaN or an infinity"),
        (np.zeros((2, 2)), [0, 0.5], "label of row 1 is 0.5"),
        (np.zeros((2, 2)), [0, np.nan], "label of row 1 is nan"),
        (np.zeros((2, 2)), [0, -3], "label of row 1 is -3"),
        (np.zeros((2, 2)), ["cat", "dog"], "no integers"),
        (np.zeros((2, 2)), np.eye(2), "labels have shape"),
        (np.zeros((2, 2)), np.int64(3), "single number"),
        (np.zeros(2), [0, 1], "the inputs are float64 of shape"),
        (np.array([["a"], ["b"]]), [0, 1], "the inputs are <U1"),
        (np.array([[1], ["a"]], dtype=object), [0, 1], "Python objects"),
    ],
)
def test_what_is_no_example_is_refused(tmp_path: Path, x: object, y: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(npz(tmp_path / "a.npz", x=x, y=y))


def test_labels_of_one_column_or_of_whole_floats_are_labels(tmp_path: Path) -> None:
    assert read(npz(tmp_path / "a.npz", x=np.zeros((2, 2)), y=[[1.0], [2.0]])).labels.tolist() == [1, 2]


@pytest.mark.parametrize("cut", [10, -30, None])
def test_a_damaged_file_is_refused(tmp_path: Path, cut: int | None) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).random((50, 4)), y=np.zeros(50, int))
    raw = bytearray(path.read_bytes())
    raw[90:120] = bytes(30)
    path.write_bytes(raw if cut is None else raw[:cut])
    with pytest.raises(InputError, match="cannot be read") as refusal:
        read(str(path))
    assert "again" in refusal.value.hint


@pytest.mark.parametrize("fortran", [False, True])
def test_what_is_large_is_mapped_and_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fortran: bool) -> None:
    x = octets(6, 5, 4, 3)
    path = npz(tmp_path / "a.npz", x=np.asfortranarray(x) if fortran else x, y=np.arange(6))
    expected = read(path).inputs[:]
    monkeypatch.setattr(files, "LARGE", 10)
    found = read(path)
    assert isinstance(found.inputs._raw, np.memmap)  # type: ignore[union-attr]
    assert (found.inputs[:] == expected).all()
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["x.npy", "y.npy"]


def test_what_does_not_fit_is_said_in_a_sentence(tmp_path: Path) -> None:
    found = read(npz(tmp_path / "a.npz", x=octets(2, 32, 32, 3), y=[0, 9]))
    assert fit(found, (1, 28, 28)) == "the network takes 1×28×28, the data are 3×32×32"
    assert fit(found, (3, 32, 32), classes=5) == "the network has 5 outputs, the data have a label 9"
    assert fit(found, (3, 32, 32), classes=10) == ""


@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 5), st.integers(5, 7), st.integers(5, 7), st.sampled_from([1, 3, 4]))
    ),
)
def test_every_byte_comes_back(tmp_path_factory: pytest.TempPathFactory, x: np.ndarray) -> None:
    path = npz(tmp_path_factory.mktemp("npz") / "a.npz", x=x, y=np.arange(len(x)))
    back = np.rint(np.moveaxis(read(path).inputs[:], 1, -1) * 255).astype(np.uint8)
    assert (back == x).all()
