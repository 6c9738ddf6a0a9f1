"""`save` of a lipcert checkpoint: whole or as it was, and no folder is made unasked."""

from pathlib import Path

import pytest

from lipcert import architectures
from lipcert.checkpoint.lipcert import save
from lipcert.errors import OutputError


def saved(path: Path) -> None:
    save(path, architectures.build("mlp", {"widths": [2, 2]}), "mlp", {"widths": [2, 2]}, (2,))


def test_a_missing_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written: there is no folder .*missing"):
        saved(tmp_path / "missing/net.safetensors")
    assert not (tmp_path / "missing").exists()


def test_an_existing_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").write_text("old")
    saved(tmp_path / "net.safetensors")
    assert (tmp_path / "net.safetensors").read_bytes() != b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_what_is_no_file_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").mkdir()
    with pytest.raises(OutputError, match="is no regular file"):
        saved(tmp_path / "net.safetensors")
