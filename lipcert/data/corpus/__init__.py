"""Eight plays of Shakespeare, about a megabyte: text to train on without a download. NOTE.md says where it is from."""

import gzip
import hashlib
from importlib.resources import files

from lipcert.errors import InputError

NAME = "shakespeare"
SHA256 = "bf5f6caa4dd6ceb44c62878cca7e1d9e3d21d241c0fb1094be2969d5dfa0f8e3"
"""Of the text, unpacked."""


def content() -> bytes:
    """The text, ASCII. Raises InputError where the installed file is not the one that was shipped."""
    packed = files("lipcert.data.corpus").joinpath("shakespeare.txt.gz").read_bytes()
    raw = gzip.decompress(packed)
    if hashlib.sha256(raw).hexdigest() != SHA256:
        raise InputError("the embedded corpus was changed after its installation", hint="Install lipcert again.")
    return raw
