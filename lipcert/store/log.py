"""A table that grows while a run goes on: NAME.csv, in the form of `lipcert.store.table`, some rows at a time.

The file is whole up to its last line feed, whenever the process was killed: what stands behind it is half a row and
does not count. `write_table` replaces it at the end by the same rows under the same name.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lipcert.errors import InputError, OutputError
from lipcert.store.atomic import write_bytes
from lipcert.store.table import Column, Row, Value, parse_csv, to_csv

STEP = "step"


class Log:
    """Rows with an integer column `step`; they outlive the process once `add`, and the machine once `sync` returns."""

    def __init__(self, folder: Path, name: str, columns: Sequence[Column], *, resume_at: int | None) -> None:
        """resume_at: rows of later steps are dropped, -1 drops all; None for a new file.

        Raises OutputError where a new file is there already or cannot be written, InputError where an old one is
        no table of these columns; the file is then as it was.
        """
        self._path, self._columns = folder / f"{name}.csv", columns
        if resume_at is None or not self._path.exists():
            write_bytes(self._path, to_csv(columns, []))
        else:
            dropped = resume_at < 0
            kept = [] if dropped else [row for row in read_log(folder, name, columns) if _step(row) <= resume_at]
            write_bytes(self._path, to_csv(columns, kept), overwrite=True)
        try:
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise self._refusal(error) from error

    def add(self, rows: Sequence[Row]) -> None:
        """Append them. Raises OutputError, the file then holding what it did, ValueError for a row that is none."""
        lines = to_csv(self._columns, rows).split(b"\n", 1)[1]
        size = self._file.seek(0, os.SEEK_END)
        try:
            while lines:
                lines = lines[self._file.write(lines) :]
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(size)
            raise self._refusal(error) from error

    def sync(self) -> None:
        """Put all rows on the disk. Raises OutputError where that fails."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._refusal(error) from error

    def close(self) -> None:
        self._file.close()

    def _refusal(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self._path} cannot be written: {error.strerror or error}",
            hint="Make room on the disk, and go on with --resume.",
        )


def read_log(folder: Path, name: str, columns: Sequence[Column]) -> list[dict[str, Value]]:
    """The whole rows of a log, still growing or not. Raises InputError where it is none."""
    path = folder / f"{name}.csv"
    try:
        content = path.read_bytes()
        text = content[: content.rfind(b"\n") + 1].decode("utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="Name the folder of a run.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text", hint="Store it as UTF-8.") from error
    return list(parse_csv(path, text, columns))


def _step(row: Row) -> int:
    step = row[STEP]
    assert isinstance(step, int)
    return step
