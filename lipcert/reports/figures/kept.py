"""The folder of a report's figures: what lies there, what of it a report left, and the figures of a new one."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from lipcert.store.atomic import write_bytes, write_json

LIST = ".lipcert.json"
"""Beside the figures: the name of each that the report left, with its SHA-256."""


def replace_figures(folder: Path, files: Mapping[str, bytes], *, overwrite: bool, say: Callable[[str], None]) -> None:
    """Write the figures, by name, and remove those that the report before left and this one has not.

    Nothing else is removed: neither files that no report wrote nor ones that were changed since; figures among them
    are told, as they may be of an older report. Raises OutputError as `write_bytes` does.
    """
    before = _left(folder)
    for name, content in files.items():
        write_bytes(folder / name, content, overwrite=overwrite)
    for name, sha256 in before.items():
        if name not in files and _sha256(folder / name) == sha256:
            (folder / name).unlink()
    if files:
        write_json(folder / LIST, {name: _hash(content) for name, content in files.items()}, overwrite=True)
    else:
        (folder / LIST).unlink(missing_ok=True)
    others = sorted({*folder.glob("*.svg"), *folder.glob("*.png")} - {folder / name for name in files})
    if others:
        say(f"kept, and no figures of this report: {', '.join(map(str, others))}")


def _left(folder: Path) -> dict[str, str]:
    """Name → SHA-256 of what the report before wrote into this folder, as far as its list says it."""
    try:
        found = json.loads((folder / LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    table = found if isinstance(found, dict) else {}
    return {name: sha256 for name, sha256 in table.items() if Path(name).name == name and isinstance(sha256, str)}


def _sha256(path: Path) -> str:
    """ "" where there is no such file any more."""
    return _hash(path.read_bytes()) if path.is_file() else ""


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
