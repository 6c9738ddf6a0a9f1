"""Images as bytes, made into numbers in [0, 1] when they are asked for: a quarter of the memory, or none of it."""

from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lipcert.errors import InputError

Layout = Literal["", "HW", "HWC"]
"""The axes of an example as it is stored; "" is one that stays as it is."""

WAY_OUT = "Say it in code: --data file.py:function, which returns (inputs, labels) as the network takes them."

_CHANNELS = (1, 3, 4)


@runtime_checkable
class Bytes(Protocol):
    """Rows of uint8: an array, in memory or mapped, or files that are decoded when asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any, /) -> NDArray[Any]: ...


class Pixels:
    """(N, ...) uint8 → (N, ...) float32 in [0, 1]: each byte divided by 255 in float32, as torchvision does it."""

    dtype = np.dtype(np.float32)

    def __init__(self, raw: Bytes, layout: Layout) -> None:
        self._raw = raw
        self._layout = layout

    @property
    def shape(self) -> tuple[int, ...]:
        stored = tuple(self._raw.shape)
        return {"": stored, "HW": (stored[0], 1, *stored[1:]), "HWC": (stored[0], *stored[-1:], *stored[1:-1])}[
            self._layout
        ]

    def __len__(self) -> int:
        return len(self._raw)

    def __getitem__(self, rows: int | slice | list[int] | NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """One example for a number, a batch for a slice, a list or an array of numbers."""
        if isinstance(rows, int | np.integer):
            one: NDArray[np.float32] = self[[int(rows)]][0]
            return one
        scaled: NDArray[np.float32] = channels_first(self._raw[rows], self._layout).astype(np.float32)
        scaled /= np.float32(255)
        return scaled

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)


def channels_first(batch: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """A batch as it is stored → (B, C, H, W)."""
    if layout == "HW":
        return batch[:, None]
    return np.moveaxis(batch, -1, 1) if layout == "HWC" else batch


def layout_of(shape: tuple[int, ...], name: str) -> Layout:
    """Where the channels of (N, ...) are. Raises InputError where that cannot be told from the shape."""
    if len(shape) == 2:
        return ""
    if len(shape) == 3:
        return "HW"
    if len(shape) != 4:
        raise InputError(
            f"{name}: inputs of shape {shape} are neither vectors (N, D) nor images, (N, H, W) or with channels too",
            hint=WAY_OUT,
        )
    first, last = shape[1] in _CHANNELS, shape[3] in _CHANNELS
    if first == last:
        seen = "both the first and the last axis" if first else "neither the first nor the last axis"
        raise InputError(
            f"{name}: in images of shape {shape}, {seen} can be the channels (1, 3 or 4 of them)", hint=WAY_OUT
        )
    return "" if first else "HWC"
