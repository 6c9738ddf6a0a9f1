"""What `lipcert init` writes."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

from lipcert.errors import OutputError
from lipcert.store.atomic import write_text


class Written(NamedTuple):
    """Files that were written, and files that were there already and were left alone."""

    new: list[Path]
    kept: list[Path]


def init(folder: Path | str = ".") -> Written:
    """Write a commented workspace into a folder, created if missing. Replaces nothing.

    Raises OutputError where the folder cannot be written.
    """
    root, written = Path(folder), Written([], [])
    if root.exists() and not root.is_dir():
        raise OutputError(f"{root} is no folder", hint="Name a folder for the workspace.")
    with as_file(files("lipcert.workspace").joinpath("templates")) as templates:
        for template in sorted(path for path in templates.rglob("*") if path.is_file()):
            target = root / template.relative_to(templates)
            if target.exists():
                written.kept.append(target)
            else:
                write_text(target, template.read_text(encoding="utf-8"))
                written.new.append(target)
    return written
