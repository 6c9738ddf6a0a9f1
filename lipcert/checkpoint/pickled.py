"""Pickles as torch.save writes them, read without executing anything.

`torch.load(weights_only=True)` interprets the pickle itself and knows tensors and plain containers. Beside
the weights, checkpoints often carry a few harmless records (a NumPy accuracy, the command line's namespace);
each name in INERT is read as an empty placeholder, never as the class it names.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from lipcert.errors import InputError, ResourceError


class Placeholder:
    """Stands for a recorded value that is no weight: takes any arguments and state, keeps none."""

    def __new__(cls, *_: object, **__: object) -> "Placeholder":
        return object.__new__(cls)

    def __setstate__(self, _: object) -> None:
        pass


INERT = (
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
    "argparse.Namespace",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "datetime.datetime",
)

WAYS_OUT = (
    "Save the weights alone, torch.save(model.state_dict(), ...), and say what builds the network: "
    "--arch file.py:function. Or, if you trust whoever made the file with all that you may do here: "
    "--trust-pickle."
)

_UNSUPPORTED = re.compile(r"GLOBAL ([\w.]+)")


def read(source: Path | BytesIO, name: str, *, mmap: bool = False, hint: str = WAYS_OUT) -> Any:
    """What torch.save was given; tensors on the CPU, mapped from the file if `mmap`.

    name: what to call the source in messages; hint: what to do when it holds more than weights.
    Raises InputError, and executes nothing.
    """
    import torch

    stand_ins: list[Any] = [(Placeholder, name) for name in INERT]
    with _quiet(), torch.serialization.safe_globals(stand_ins):
        try:
            return torch.load(source, map_location="cpu", weights_only=True, mmap=mmap)
        except MemoryError as error:
            raise ResourceError(f"there is not enough memory to read {name}") from error
        except Exception as error:  # a hostile file can make the reader fail in any way; none is a crash
            raise _refusal(name, error, hint) from error


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _refusal(name: str, error: Exception, hint: str) -> InputError:
    seen = _UNSUPPORTED.search(str(error))
    if seen:
        return InputError(
            f"{name} is not weights alone: its pickle names {seen[1]}, and unpickling that would run code. "
            "Nothing was executed.",
            hint=hint,
        )
    return InputError(
        f"{name} cannot be read as what torch.save writes: {_reason(error)}",
        hint="It is truncated or damaged, or not a checkpoint: copy or download it again.",
    )


def _reason(error: Exception) -> str:
    """torch's reason without its advice, which is to load the file unsafely."""
    reason = str(error).partition("WeightsUnpickler error: ")[2] or str(error)
    lines = reason.strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
