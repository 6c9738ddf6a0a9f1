"""Checkpoints that others published, in the folder that LIPCERT_CHECKPOINTS names; skipped without it."""

import os
from pathlib import Path

import pytest

from lipcert import checkpoint
from lipcert.errors import UsageError

FOLDER = Path(os.environ.get("LIPCERT_CHECKPOINTS", "/nonexistent"))
FILES = sorted(path.name for path in FOLDER.glob("*") if path.suffix in {".pth", ".pt", ".ckpt", ".model", ".th"})


@pytest.mark.skipif(not FILES, reason="LIPCERT_CHECKPOINTS names no folder of checkpoints")
@pytest.mark.parametrize("name", FILES)
def test_every_one_is_read_and_asks_for_its_network(name: str) -> None:
    with pytest.raises(UsageError, match=r"named tensors[^\n]*\n  \S+ \(\d+,"):
        checkpoint.load(FOLDER / name)
