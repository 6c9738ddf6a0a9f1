"""`lipcert init`: write a commented workspace."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(help="Where; created if missing.")] = Path(),
) -> None:
    """Write a commented workspace: lipcert.toml, attacks/, reports/. Never overwrites."""
    raise NotImplementedError
