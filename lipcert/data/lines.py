"""Text: an example a line, its class as an integer, a space, the text."""

import re
from pathlib import Path

import numpy as np

from lipcert.checkpoint.hashing import file_sha256
from lipcert.data.dataset import Dataset, checked
from lipcert.data.files import text
from lipcert.errors import InputError

_LINE = re.compile(r"(-?[0-9]{1,18})[ \t]+(\S.*)", re.DOTALL)
_SHOWN = 60


def read(path: Path, name: str, limit: int | None) -> Dataset:
    """The lines of a file; where it ends in a line end, that is the last line's."""
    lines = text(path).removesuffix("\n").split("\n")
    pairs = [_example(line.removesuffix("\r"), path, number) for number, line in enumerate(lines[:limit], 1)]
    labels = np.array([label for label, _ in pairs], dtype=np.int64)
    return checked(Dataset([words for _, words in pairs], labels, None, name, file_sha256(path), "text"))


def _example(line: str, path: Path, number: int) -> tuple[int, str]:
    match = _LINE.fullmatch(line)
    if not match:
        raise InputError(
            f"{path}:{number} is {line[:_SHOWN]!r}, and a line of labelled text is an integer, a space and the text",
            hint="Data in another form: an .npz, a folder of images, idx or CIFAR-10 files, or file.py:function.",
        )
    return int(match[1]), match[2]
