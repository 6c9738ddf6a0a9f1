"""A dataset of text → one of token ids."""

import hashlib
from dataclasses import replace

import numpy as np

from lipcert.data.dataset import Dataset, Row
from lipcert.data.tokenizer import Tokenizer
from lipcert.errors import InputError


def encode(dataset: Dataset, by: Tokenizer, length: int | None = None) -> Dataset:
    """Text as ids: rows of their own lengths, or (N, length), filled up with the padding token at the end.

    Nothing is cut off. Raises InputError, naming the row, where a text cannot be encoded or does not fit.
    """
    if dataset.kind != "text":
        raise InputError(f"{dataset.name} holds {dataset.kind}, no text", hint="Leave the tokenizer out.")
    rows = [_row(str(dataset.inputs[n]), f"{dataset.name}: row {n}", by) for n in range(len(dataset))]
    sha256 = hashlib.sha256(f"{dataset.sha256}\n{by.sha256}\n".encode("ascii")).hexdigest()
    if length is None:
        return replace(dataset, inputs=rows, sha256=sha256, kind="tokens")
    longest = max(range(len(rows)), key=lambda n: len(rows[n]))
    needed = len(rows[longest])
    if needed > length:
        raise InputError(
            f"{dataset.name}: row {longest}, the longest, has {needed} tokens and the network takes {length}",
            hint=f"Leave longer texts out of the data, or take a network with a context of {needed}.",
        )
    filled = np.stack([_filled(row, f"{dataset.name}: row {n}", length, by.pad) for n, row in enumerate(rows)])
    return replace(dataset, inputs=filled, sha256=sha256, kind="tokens")


def _row(line: str, place: str, by: Tokenizer) -> Row:
    try:
        ids = by.ids(line)
    except InputError as error:
        raise InputError(f"{place}: {error.message}", hint=error.hint) from error
    if not ids:
        raise InputError(f"{place}: {line[:60]!r} has no token", hint="Leave it out.")
    return np.array(ids, dtype=np.int64)


def _filled(row: Row, place: str, length: int, pad: int | None) -> Row:
    if len(row) < length and pad is None:
        raise InputError(
            f"{place} has {len(row)} tokens, the network takes {length}, and no token of the vocabulary fills up",
            hint="Give the network the texts one by one, each at its own length.",
        )
    return np.pad(row, (0, length - len(row)), constant_values=pad or 0)
