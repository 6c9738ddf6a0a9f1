"""Files appear whole or not at all, and nothing that exists is replaced unasked."""

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lipcert.errors import OutputError

FORCE_HINT = "Choose another place, or allow replacing it with --force."


def write_json(path: Path, value: object, *, overwrite: bool = False) -> None:
    """Write `value` as JSON: keys in the order given, floats exact, plain ASCII.

    Raises OutputError as `write_bytes` does, and ValueError for a NaN or an infinity, which are no JSON.
    """
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n", overwrite=overwrite)


def write_text(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write `text` as UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode(), overwrite=overwrite)


def write_bytes(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """Write a file, creating missing folders.

    Raises OutputError where the file exists and `overwrite` is not given, where something that is no
    regular file is in the way, and where the place cannot be written; then nothing there has changed.
    """
    require_free(path, overwrite=overwrite)
    with _refusing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _beside(path) as draft:
            with draft.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # on the disk before it gets its name
            _put(draft, path, overwrite)


def require_free(path: Path, *, overwrite: bool = False) -> None:
    """Refuse now, before the work, what `write_bytes` would refuse after it. Raises OutputError."""
    with _refusing(path):
        if path.is_file():
            if not overwrite:
                raise _exists(path)
        elif path.exists():  # a folder, or a device such as /dev/null, which a rename would destroy
            raise OutputError(f"{path} exists and is no regular file", hint="Name a file to write.")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} is no folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"no permission to write in {folder}")


def _put(draft: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        draft.replace(path)
        return
    try:
        path.hardlink_to(draft)  # unlike a rename, fails where the name has been taken meanwhile
    except FileExistsError:
        raise _exists(path) from None
    except OSError:  # a file system without hard links
        require_free(path)
        draft.replace(path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A name of its own in the folder of `path`, so that a rename stays within one file system."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(
            f"{path} cannot be written: {reason}",
            hint="Name a file in a folder that you may write to, on a disk with room.",
        ) from error


def _exists(path: Path) -> OutputError:
    return OutputError(f"{path} exists and is not replaced", hint=FORCE_HINT)
