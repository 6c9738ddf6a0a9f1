"""A folder of images, a sub-folder a class."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lipcert.data.read import read
from lipcert.errors import InputError, UsageError
from tests.unit.data.files import octets


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)


def test_classes_are_numbered_by_name_and_taken_in_turn(tmp_path: Path) -> None:
    x = octets(4, 5, 6, 3)
    for number, name in enumerate(["dog/1.png", "cat/b.png", "cat/a.png", "dog/2.png"]):
        save(tmp_path / name, x[number])
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    found = read(str(tmp_path))
    assert (found.kind, found.shape, found.classes, found.range) == ("images", (3, 5, 6), 2, (0, 1))
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert (found.inputs[:] == np.moveaxis(x[[2, 0, 1, 3]], -1, 1) / np.float32(255)).all()
    some = read(str(tmp_path), limit=3)
    assert some.labels.tolist() == [0, 1, 0]
    assert some.sha256 == found.sha256


def test_grey_images_have_one_channel_and_exact_modes_are_converted(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", octets(5, 6))
    save(tmp_path / "b" / "2.png", octets(5, 6), "1")
    found = read(str(tmp_path))
    assert found.shape == (1, 5, 6)
    assert (found.inputs[0][0] == octets(5, 6) / np.float32(255)).all()
    assert set(found.inputs[1].ravel().tolist()) == {0.0, 1.0}


def test_other_sizes_and_transparency_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", octets(5, 6, 3))
    save(tmp_path / "b" / "2.png", octets(5, 7, 3))
    with pytest.raises(InputError, match=r"2\.png is 5×7×3 and .*1\.png is 5×6×3"):
        read(str(tmp_path))
    save(tmp_path / "b" / "2.png", octets(5, 6, 4))
    with pytest.raises(InputError, match=r"2\.png has mode RGBA"):
        read(str(tmp_path))


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", octets(50, 60, 3))
    path = tmp_path / "a" / "1.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found = read(str(tmp_path))  # its head is whole
    with pytest.raises(InputError, match=r"1\.png cannot be decoded"):
        found.inputs[0]
    path.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1\.png cannot be read as an image"):
        read(str(tmp_path))


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither idx files, nor"):
        read(str(tmp_path))
    (tmp_path / "cat").mkdir()
    with pytest.raises(InputError, match="no images in its sub-folders"):
        read(str(tmp_path))
    with pytest.raises(InputError, match="no such file or folder"):
        read(str(tmp_path / "dog"))


def test_without_pillow_the_message_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cat").mkdir()
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match="needs Pillow") as refusal:
        read(str(tmp_path))
    assert "lipcert[images]" in refusal.value.hint
