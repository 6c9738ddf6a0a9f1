"""Inputs and labels as arrays → a dataset: what the numbers are, and in which order the axes stand."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipcert.data.dataset import Dataset, Kind, checked, integers
from lipcert.data.pixels import WAY_OUT, Pixels, channels_first, layout_of
from lipcert.errors import InputError

_ROWS = 1024


def from_stored(x: NDArray[Any], y: NDArray[Any], name: str, sha256: str, classes: int | None = None) -> Dataset:
    """Arrays that are stored for no network in particular: bytes are scaled and channels put first.

    uint8 (N, ...) are pixels, or vectors of pixels; floating-point (N, D) vectors, more axes images; other integers
    (N, L) token ids. Raises InputError for anything else.
    """
    if x.dtype == np.uint8 and x.ndim > 1:
        pixels = Pixels(x, layout_of(x.shape, name))
        kind: Kind = "images" if x.ndim > 2 else "vectors"
        return checked(Dataset(pixels, integers(y, name), classes, name, sha256, kind, (0.0, 1.0)))
    if x.dtype.kind == "f" and x.ndim > 2:
        images = channels_first(x, layout_of(x.shape, name))
        return _as_they_are(images, y, name, sha256, classes)
    return _as_they_are(x, y, name, sha256, classes)


def from_code(x: NDArray[Any], y: NDArray[Any], name: str, sha256: str) -> Dataset:
    """Arrays that a function returns: in the order of axes and in the scale that the network takes."""
    if x.dtype == np.uint8:
        raise InputError(
            f"{name} returned uint8, and inputs are needed as the network takes them",
            hint="Return pixels as floating-point numbers, divided by 255 where that is their scale, ids as int64.",
        )
    return _as_they_are(x, y, name, sha256, None)


def _as_they_are(x: NDArray[Any], y: NDArray[Any], name: str, sha256: str, classes: int | None) -> Dataset:
    if x.dtype.kind == "f" and x.ndim > 1:
        native = x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
        return _numbers(native, y, name, sha256, classes)
    if x.dtype.kind in "iu" and x.ndim == 2:
        return checked(Dataset(x.astype(np.int64), integers(y, name), classes, name, sha256, "tokens"))
    raise InputError(
        f"{name}: the inputs are {x.dtype} of shape {x.shape}; needed are floating-point numbers or uint8 with an axis "
        "for the examples and one or more for each, or token ids (N, L)",
        hint=WAY_OUT,
    )


def _numbers(x: NDArray[Any], y: NDArray[Any], name: str, sha256: str, classes: int | None) -> Dataset:
    found = Dataset(x, integers(y, name), classes, name, sha256, "vectors" if x.ndim == 2 else "images")
    low, high, whole = _extremes(checked(found).inputs)
    if found.kind == "vectors":
        return found
    if whole and low >= 0 and 1 < high <= 255:
        raise InputError(
            f"{name}: the images hold whole numbers from {low:g} to {high:g} in {x.dtype}; pixels lie in [0, 1]",
            hint="Divide them by 255, or store them as uint8.",
        )
    return Dataset(x, found.labels, classes, name, sha256, "images", (0.0, 1.0) if low >= 0 and high <= 1 else None)


def _extremes(x: Any) -> tuple[float, float, bool]:
    """The smallest and the largest entry, and whether all are whole numbers."""
    low, high, whole = np.inf, -np.inf, True
    for start in range(0, len(x), _ROWS):
        block = x[start : start + _ROWS]
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        whole = whole and bool((block == np.floor(block)).all())
    return low, high, whole
