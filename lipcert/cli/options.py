"""The flags that several commands share."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from lipcert.checkpoint.examples import Ids, Shape
    from lipcert.checkpoint.model import Model
    from lipcert.rules.domain import Domain

Checkpoint = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads the annotation
    typer.Argument(help="The checkpoint; without it, the default model of lipcert.toml.", show_default=False),
]
Arch = Annotated[
    str, typer.Option(help="The function that builds the network: package.module:function or file.py:function.")
]
Input = Annotated[
    list[str],
    typer.Option(
        "--input",
        help="The shape of an input without the batch, such as 1,28,28, or ids:256 for token ids; once an input.",
    ),
]
Source = Annotated[
    str,
    typer.Option(
        help="What is perturbed: the path of the module that returns it, or embedding. [default: the first input; "
        "of token ids their embedding]"
    ),
]
TrustPickle = Annotated[
    bool, typer.Option("--trust-pickle", help="Let the file execute code: a pickled module, TorchScript.")
]


_IDS = "ids:"


def shapes(inputs: list[str]) -> list["Shape | Ids"] | None:
    """What --input says, None where it says nothing."""
    from lipcert.errors import UsageError

    try:
        return [_shape(text) for text in inputs] or None
    except ValueError as error:
        raise UsageError(
            f"--input {inputs} is no shape.", hint="Write sizes joined by commas: 1,28,28, or ids:256 for token ids."
        ) from error


def _shape(text: str) -> "Shape | Ids":
    from lipcert.checkpoint.examples import Ids

    shape = tuple(int(size) for size in text.removeprefix(_IDS).split(","))
    return Ids(shape) if text.startswith(_IDS) else shape


def read_domain(text: str, radius: str) -> "Domain":
    """The domain that --domain and --radius name."""
    from lipcert.errors import UsageError
    from lipcert.rules.domain import Box, Everywhere, Vocabulary
    from lipcert.workspace.exact import parse_domain, parse_exact

    try:
        spec = parse_domain(text or "everywhere", parse_exact(radius) if radius else Fraction(0))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if spec.kind == "vocabulary":
        return Vocabulary(spec.radius)
    if spec.lo is None or spec.hi is None:
        return Everywhere()
    return Box(spec.lo, spec.hi, radius=spec.radius)


def read_model(path: Path, arch: str, inputs: list[str], trust_pickle: bool) -> "Model":
    from lipcert.checkpoint.load import load

    model = load(path, arch=arch or None, inputs=shapes(inputs), trust_pickle=trust_pickle)
    if model.provenance is not None and model.provenance.left_out:
        _tell(f"left out, as the network has no place for them: {', '.join(model.provenance.left_out)}")
    return model


def _tell(what: str) -> None:
    """A line on stderr, beside results that may be for machines."""
    from rich.text import Text

    from lipcert.cli.screen import console

    console(stderr=True).print(Text(what), style="dim", soft_wrap=True)
