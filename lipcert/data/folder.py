"""A folder of images: a sub-folder a class, numbered in the order of their names, as torchvision numbers them."""

from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lipcert.data.dataset import Dataset, checked
from lipcert.data.files import damaged, files_sha256
from lipcert.data.pixels import Pixels
from lipcert.errors import InputError, UsageError

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
_CHANNELS = {"L": 1, "RGB": 3}
_EXACT = {"1": "L", "P": "RGB"}
"""Modes that are another one without loss; in a palette with transparency that does not hold."""


def read(folder: Path, name: str, limit: int | None) -> Dataset:
    """The images, one of each class in turn, so that a limit takes from all of them."""
    _pillow()
    classes = [sorted(path for path in sub.rglob("*") if is_image(path)) for sub in sub_folders(folder)]
    in_turn = chain.from_iterable(
        zip_longest(*([(path, label) for path in paths] for label, paths in enumerate(classes)))
    )
    pairs = [pair for pair in in_turn if pair is not None]
    if not pairs:
        raise InputError(f"{folder} has no images in its sub-folders", hint=f"Known are {', '.join(ENDINGS)}.")
    pictures = Pictures([path for path, _ in pairs][:limit])
    labels = np.array([label for _, label in pairs][:limit], dtype=np.int64)
    sha256 = files_sha256(folder, (path for path, _ in pairs))
    pixels = Pixels(pictures, "HWC")
    return checked(Dataset(pixels, labels, len(classes), name, sha256, "images", (0.0, 1.0)))


def sub_folders(folder: Path) -> list[Path]:
    """The classes, in order."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def is_image(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()


class Pictures:
    """Files of images of one size, (N, H, W, C) uint8, decoded when they are asked for."""

    def __init__(self, paths: list[Path]) -> None:
        """Looks at the head of every file. Raises InputError where sizes or colours differ."""
        self._paths = paths
        first = _head(paths[0])
        for path in paths[1:]:
            if (seen := _head(path)) != first:
                raise InputError(
                    f"{path} is {_by(seen)} and {paths[0]} is {_by(first)}",
                    hint="Bring all images to one size and mode.",
                )
        self._shape = first

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._paths), *self._shape)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, rows: slice | list[int] | NDArray[Any]) -> NDArray[np.uint8]:
        chosen = self._paths[rows] if isinstance(rows, slice) else [self._paths[row] for row in rows]
        batch = np.empty((len(chosen), *self._shape), dtype=np.uint8)
        for place, path in enumerate(chosen):
            batch[place] = _decoded(path).reshape(self._shape)
        return batch


def _head(path: Path) -> tuple[int, int, int]:
    """Height, width and channels."""
    with _open(path) as image:
        mode = _mode(image, path)
        return image.height, image.width, _CHANNELS[mode]


def _decoded(path: Path) -> NDArray[np.uint8]:
    with _open(path) as image:
        try:
            return np.asarray(image.convert(_mode(image, path)), dtype=np.uint8)
        except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise for damaged files
            raise damaged(path, f"cannot be decoded: {error}") from error


def _mode(image: "Image.Image", path: Path) -> str:
    mode = _EXACT.get(image.mode, image.mode)
    if mode not in _CHANNELS or "transparency" in image.info:
        seen = "transparency" if "transparency" in image.info else f"mode {image.mode}"
        raise InputError(f"{path} has {seen}; images in grey (L) or colour (RGB) are needed", hint="Convert it first.")
    return mode


def _open(path: Path) -> "Image.Image":
    pillow = _pillow()
    try:
        image: Image.Image = pillow.open(path)
        return image
    except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
        raise damaged(path, f"cannot be read as an image: {error}") from error


def _pillow() -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise UsageError(
            "reading a folder of images needs Pillow, which is not installed", hint="pip install 'lipcert[images]'"
        ) from None
    return Image


def _by(shape: tuple[int, int, int]) -> str:
    return "×".join(map(str, shape))
