"""Of a test set and a training set in one place, the one that is asked for is read."""

from pathlib import Path

import numpy as np
import pytest

from lipcert.data.read import has_both, read
from tests.unit.data.files import cifar_pickle, idx, npz, octets


def mnist(folder: Path, *sets: str) -> str:
    for number, name in enumerate(sets, 3):
        (folder / f"{name}-images-idx3-ubyte").write_bytes(idx(octets(number, 2, 2)))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx(np.zeros(number, np.uint8)))
    return str(folder)


def cifar(folder: Path, *sets: str) -> str:
    for number, name in enumerate(sets, 3):
        (folder / name).write_bytes(cifar_pickle(octets(number, 3, 32, 32), [0] * number))
    return str(folder)


def arrays(folder: Path, *sets: str) -> str:
    stored = {f"x_{name}": octets(number, 2, 2) for number, name in enumerate(sets, 3)}
    labels = {f"y_{name}": np.zeros(number, np.int64) for number, name in enumerate(sets, 3)}
    return npz(folder / "data.npz", **stored, **labels)


PLACES = [(mnist, "t10k", "train"), (cifar, "test_batch", "data_batch_1"), (arrays, "test", "train")]


@pytest.mark.parametrize(("place", "test", "train"), PLACES)
def test_each_set_is_read_where_both_are_there(tmp_path: Path, place, test: str, train: str) -> None:  # type: ignore[no-untyped-def]
    spec = place(tmp_path, test, train)
    assert has_both(spec)
    assert [len(read(spec)), len(read(spec, split="test")), len(read(spec, split="train"))] == [3, 3, 4]


@pytest.mark.parametrize(("place", "test", "train"), PLACES)
def test_the_only_set_is_read_for_either(tmp_path: Path, place, test: str, train: str) -> None:  # type: ignore[no-untyped-def]
    for number, name in enumerate((test, train)):
        folder = tmp_path / str(number)
        folder.mkdir()
        spec = place(folder, name)
        assert not has_both(spec)
        assert len(read(spec, split="train")) == len(read(spec, split="test")) == 3


def test_what_is_not_there_has_not_both(tmp_path: Path) -> None:
    assert not has_both(str(tmp_path / "nothing.npz"))
    assert not has_both(str(tmp_path))
