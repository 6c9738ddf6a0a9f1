"""`lipcert check`: validate every TOML of a workspace."""

from pathlib import Path
from typing import Annotated

import typer


def check(
    folder: Annotated[Path, typer.Argument(help="The workspace.")] = Path(),
) -> None:
    """Validate lipcert.toml and attacks/*.toml; runs no model, imports nothing of yours."""
    raise NotImplementedError
