"""Text as numbers of characters, piece by piece: 77 million characters take seconds, and little more than their ids."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from lipcert.errors import InputError

Ids = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]
"""Token ids in the smallest unsigned type that holds the vocabulary."""

_PIECE = 1 << 20
_POINTS = 0x110000
_CONTINUES = 0xC0, 0x80
"""A byte of UTF-8 that goes on with a character has these two of its bits: & the first is the second."""


def smallest(vocabulary: int) -> np.dtype[np.unsignedinteger]:
    """The type of the ids 0 to vocabulary - 1."""
    return np.min_scalar_type(max(0, vocabulary - 1))


def distinct(texts: Iterable[tuple[NDArray[np.uint8], str]]) -> str:
    """The characters of all texts together, in the order of their code points. A text is UTF-8 and its name."""
    seen = np.zeros(_POINTS, dtype=bool)
    for raw, name in texts:
        for points in _points(raw, name):
            seen[points] = True
    return "".join(map(chr, np.flatnonzero(seen)))


def numbered(raw: NDArray[np.uint8], characters: str, name: str) -> Ids:
    """Each character's place in `characters`. Raises InputError, naming the line, where one is not among them."""
    table = np.full(_POINTS, -1, dtype=np.int32)
    table[[ord(character) for character in characters]] = np.arange(len(characters))
    dtype, pieces, before = smallest(len(characters)), [], 0
    for points in _points(raw, name):
        ids = table[points]
        if ids.min() < 0:
            raise _unknown(points, int(np.argmax(ids < 0)), before, len(characters), name)
        before += int(np.count_nonzero(points == ord("\n")))
        pieces.append(ids.astype(dtype))
    return np.concatenate(pieces) if pieces else np.empty(0, dtype)


def _points(raw: NDArray[np.uint8], name: str) -> Iterator[NDArray[np.uint32]]:
    """The code points of UTF-8, so many at once. Raises InputError, naming the line, where it is none."""
    start = 0
    while start < len(raw):
        stop = min(len(raw), start + _PIECE)
        while stop < len(raw) and raw[stop] & _CONTINUES[0] == _CONTINUES[1]:
            stop += 1
        try:
            piece = raw[start:stop].tobytes().decode("utf-8")
        except UnicodeDecodeError as error:
            line = int(np.count_nonzero(raw[: start + error.start] == ord("\n"))) + 1
            raise InputError(
                f"{name}:{line} is no UTF-8 text", hint="Store it as UTF-8, or read it as bytes."
            ) from error
        yield np.frombuffer(piece.encode("utf-32-le"), "<u4")
        start = stop


def _unknown(points: NDArray[np.uint32], place: int, before: int, known: int, name: str) -> InputError:
    line = before + int(np.count_nonzero(points[:place] == ord("\n"))) + 1
    return InputError(
        f"{name}:{line} has the character {chr(points[place])!r}, which is not among the {known} of the vocabulary",
        hint="Take text in the characters that the network was trained on, or train on both texts together.",
    )
