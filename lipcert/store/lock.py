"""One writer a results folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lipcert.errors import OutputError

LOCK_NAME = ".lipcert.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` (created if missing) for this process; the system lets go of it when the process ends.

    Raises OutputError at once where another process holds it, or where it cannot be written.
    """
    lock = FileLock(folder / LOCK_NAME)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(
            f"another lipcert is writing to {folder}",
            hint="Wait until it has finished, or name another folder.",
        ) from None
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written: {error.strerror or error}",
            hint="Name a folder that you may write to.",
        ) from error
    try:
        yield
    finally:
        lock.release()
