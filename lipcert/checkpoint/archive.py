"""Zip archives are measured before they are read: what they declare against what there is."""

import zipfile
from pathlib import Path

from lipcert.checkpoint import memory
from lipcert.errors import InputError

_RATIO_LIMIT = 20
"""Weights hardly compress, and torch stores them uncompressed: a larger ratio is no honest checkpoint."""

_ENTRY_LIMIT = 1_000_000


def check(path: Path, *, mapped: bool = False) -> bool:
    """Whether every entry is stored uncompressed, so that the file can be mapped into memory.

    mapped: it will be, if it can. Raises InputError for a zip bomb, ResourceError where more would be read
    into memory than there is.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    size = path.stat().st_size
    declared = sum(entry.file_size for entry in entries)
    if len(entries) > _ENTRY_LIMIT or declared > _RATIO_LIMIT * size:
        raise InputError(
            f"{path} is a zip bomb: {size:,} bytes declare {declared:,} bytes in {len(entries):,} entries",
            hint="torch.save stores weights uncompressed. Save the checkpoint again from its source.",
        )
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise InputError(f"{path} is a zip archive with two entries of one name", hint="It was tampered with.")
    stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    if not (mapped and stored):
        memory.require(declared, f"reading {path}")
    return stored
