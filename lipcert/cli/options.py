"""The flags that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from lipcert.checkpoint.model import Model

Checkpoint = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads the annotation
    typer.Argument(help="The checkpoint; without it, the default model of lipcert.toml.", show_default=False),
]
Arch = Annotated[
    str, typer.Option(help="The function that builds the network: package.module:function or file.py:function.")
]
Input = Annotated[
    list[str], typer.Option("--input", help="The shape of an input without the batch, such as 1,28,28; once an input.")
]
TrustPickle = Annotated[
    bool, typer.Option("--trust-pickle", help="Let the file execute code, to read a pickled module.")
]


def shapes(inputs: list[str]) -> list[tuple[int, ...]] | None:
    """What --input says, None where it says nothing."""
    from lipcert.errors import UsageError

    try:
        return [tuple(int(size) for size in text.split(",")) for text in inputs] or None
    except ValueError as error:
        raise UsageError(f"--input {inputs} is no shape.", hint="Write sizes joined by commas: 1,28,28.") from error


def read_model(path: Path, arch: str, inputs: list[str], trust_pickle: bool) -> "Model":
    from lipcert.checkpoint.load import load

    return load(path, arch=arch or None, inputs=shapes(inputs), trust_pickle=trust_pickle)
