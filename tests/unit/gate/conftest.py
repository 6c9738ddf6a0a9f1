"""Stored results, made once; every test breaks a copy of its own."""

import shutil
from pathlib import Path

import pytest

from tests.unit.gate import made


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made.workspace(tmp_path_factory.mktemp("gate") / "workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made.store(folder)
    return folder


@pytest.fixture
def stored(original: Path, tmp_path: Path) -> Path:
    """A folder with `found`, results of `lipcert bound` and `attack`, and `proved`, of `certify`."""
    return Path(shutil.copytree(original, tmp_path / "workspace"))
