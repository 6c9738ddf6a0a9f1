"""One writer a results folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from lipcert.errors import OutputError
from lipcert.store.lock import locked

HOLD = """
import sys
from pathlib import Path
from lipcert.store.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_until_the_holder_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another lipcert"), locked(folder):
            pytest.fail("two writers")
        holder.kill()  # even a killed holder lets go
    with locked(folder):
        pass
    with locked(folder):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), locked(tmp_path / "file" / "run"):
        pytest.fail("no lock without a folder")
