"""Examples with their labels, and whether they fit a network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lipcert.data.pixels import Pixels
from lipcert.errors import InputError

Kind = Literal["images", "vectors", "text", "tokens"]
Split = Literal["test", "train"]
"""Which of two sets is meant where one place holds both; where it holds one, that one is read for either."""
Labels = NDArray[np.int64]
Row = NDArray[np.int64]
Inputs = NDArray[Any] | Pixels | list[str] | list[Row]

_ROWS = 1024
"""So many rows are looked at in one go: what is mapped from a file is never in memory as a whole."""


@dataclass(frozen=True)
class Dataset:
    """Examples in the order of their file. `inputs[i]` is one, `inputs[i:j]` a batch.

    inputs: images (N, C, H, W) and vectors (N, D) in floating point, where they are stored as bytes in float32 and
        divided by 255; tokens as int64 ids, (N, L), or a list of N rows where the lengths differ; text as N strings.
    labels: (N,) int64, none negative.
    classes: how many there are, where the format says so.
    name: how it was asked for.
    sha256: of the file, or of the names and hashes of its files; whatever the limit.
    range: the smallest and the largest value that a pixel can have; None where the format does not say.
    """

    inputs: Inputs
    labels: Labels
    classes: int | None
    name: str
    sha256: str
    kind: Kind
    range: tuple[float, float] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of one example; None for text, and where the lengths differ."""
        return None if isinstance(self.inputs, list) else tuple(self.inputs.shape[1:])


def checked(dataset: Dataset) -> Dataset:
    """`dataset` itself. Raises InputError where it is empty or something in it is no example."""
    if len(dataset.inputs) != len(dataset.labels):
        raise InputError(
            f"{dataset.name} has {len(dataset.inputs)} inputs and {len(dataset.labels)} labels",
            hint="Every input needs one label: check how the file was made.",
        )
    if not len(dataset):
        raise InputError(f"{dataset.name} holds no example", hint="Name data with at least one.")
    _require_classes(dataset)
    _require_values(dataset)
    return dataset


def fit(dataset: Dataset, shape: Sequence[int], classes: int | None = None) -> str:
    """What differs from a network that takes `shape` (without the batch) and has `classes` outputs, in one sentence.

    Empty where it fits.
    """
    if dataset.kind == "text":
        return f"the network takes {_by(shape)}, the data are text that is not made into token ids yet"
    if dataset.shape is None:
        return f"the network takes {_by(shape)}, the data are token ids of different lengths"
    if dataset.shape != tuple(shape):
        return f"the network takes {_by(shape)}, the data are {_by(dataset.shape)}"
    largest = int(dataset.labels.max())
    if classes is not None and largest >= classes:
        return f"the network has {classes} outputs, the data have a label {largest}"
    return ""


def integers(labels: NDArray[Any], name: str) -> Labels:
    """Labels as they stand in a file, (N,) or (N, 1) → (N,) int64. Raises InputError where one is no integer."""
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1:
        raise InputError(
            f"{name}: the labels have shape {labels.shape}, and one number an example is needed",
            hint="Of one-hot labels take the argmax.",
        )
    if flat.dtype.kind not in "iuf":
        raise InputError(f"{name}: the labels are {flat.dtype}, no integers", hint="Number the classes from 0.")
    whole = flat.astype(np.int64) if flat.dtype.kind != "f" else _whole(flat, name)
    return np.ascontiguousarray(whole)


def _whole(labels: NDArray[Any], name: str) -> Labels:
    good = np.isfinite(labels) & (labels == np.floor(labels)) & (np.abs(labels) < 2**53)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"{name}: the label of row {row} is {labels[row]}, no integer", hint="Number the classes from 0."
        )
    return labels.astype(np.int64)


def _require_classes(dataset: Dataset) -> None:
    wrong = dataset.labels < 0
    if dataset.classes is not None:
        wrong |= dataset.labels >= dataset.classes
    if wrong.any():
        row = int(np.argmax(wrong))
        upto = f"to {dataset.classes - 1}" if dataset.classes is not None else "upwards"
        raise InputError(
            f"{dataset.name}: the label of row {row} is {dataset.labels[row]}; classes are numbered from 0 {upto}",
            hint="Number the classes from 0, or leave the examples without a class out.",
        )


def _require_values(dataset: Dataset) -> None:
    if dataset.kind == "tokens":
        rows = (np.asarray(dataset.inputs[row]) >= 0 for row in range(len(dataset)))
        _require(dataset, rows, "a negative token id")
    elif isinstance(dataset.inputs, np.ndarray):
        blocks = (dataset.inputs[start : start + _ROWS] for start in range(0, len(dataset), _ROWS))
        _require(dataset, (row for block in blocks for row in np.isfinite(block)), "a NaN or an infinity")


def _require(dataset: Dataset, rows: Iterator[NDArray[np.bool_]], what: str) -> None:
    for number, good in enumerate(rows):
        if not good.all():
            raise InputError(f"{dataset.name}: row {number} holds {what}", hint="Leave it out, or mend the data.")


def _by(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "a single number"
