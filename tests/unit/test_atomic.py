"""Files appear whole or not at all, and nothing that exists is replaced unasked."""

import json
import os
from pathlib import Path

import pytest

from lipcert.errors import OutputError
from lipcert.store import atomic


def test_writes_into_a_new_folder_and_leaves_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "reports" / "run" / "result.json"
    atomic.write_json(target, {"name": "γ", "value": 0.1})
    assert json.loads(target.read_text()) == {"name": "γ", "value": 0.1}
    assert target.read_bytes().isascii()
    assert list(target.parent.iterdir()) == [target]


def test_floats_come_back_exactly(tmp_path: Path) -> None:
    values = [0.1, 5e-324, 1.7976931348623157e308, -0.0, 1 / 3]
    atomic.write_json(tmp_path / "x.json", values)
    back = json.loads((tmp_path / "x.json").read_text())
    assert [value.hex() for value in back] == [value.hex() for value in values]


def test_an_existing_file_is_refused_and_kept(tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    target.write_text("precious")
    with pytest.raises(OutputError, match=r"x\.txt exists") as refusal:
        atomic.write_text(target, "new")
    assert "--force" in refusal.value.hint
    assert target.read_text() == "precious"
    atomic.write_text(target, "new", overwrite=True)
    assert target.read_text() == "new"


def test_a_name_taken_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x.txt"
    monkeypatch.setattr(atomic, "require_free", lambda path, overwrite=False: target.write_text("precious"))
    with pytest.raises(OutputError, match="exists"):
        atomic.write_text(target, "new")
    assert target.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [target]


def test_without_hard_links_it_still_writes_and_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    atomic.write_text(tmp_path / "x.txt", "new")
    assert (tmp_path / "x.txt").read_text() == "new"
    with pytest.raises(OutputError, match="exists"):
        atomic.write_text(tmp_path / "x.txt", "newer")


@pytest.mark.parametrize("broken", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: BaseException
) -> None:
    target = tmp_path / "x.txt"
    target.write_text("precious")

    def fail(handle: int) -> None:
        raise broken

    monkeypatch.setattr(os, "fsync", fail)
    expected = OutputError if isinstance(broken, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        atomic.write_text(target, "new", overwrite=True)
    assert target.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"deep": float("-inf")}]])
def test_what_json_cannot_say_is_refused_before_anything_is_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "x.json", value)
    assert not list(tmp_path.iterdir())


def test_a_folder_or_a_device_is_never_replaced(tmp_path: Path) -> None:
    for target in (tmp_path, Path(os.devnull)):
        with pytest.raises(OutputError, match="no regular file"):
            atomic.write_text(target, "new", overwrite=True)
    assert not Path(os.devnull).is_file()


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot be written"):
        atomic.require_free(tmp_path / "file" / "below" / "x.txt")
    with pytest.raises(OutputError, match=r"cannot be written"):
        atomic.write_text(tmp_path / "file" / "below" / "x.txt", "new")


def test_a_folder_without_permission_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # an administrator may write anywhere
    with pytest.raises(OutputError, match="no permission"):
        atomic.require_free(tmp_path / "new" / "x.txt")
    assert not list(tmp_path.iterdir())
