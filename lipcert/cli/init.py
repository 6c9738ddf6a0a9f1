"""`lipcert init`: write a commented workspace."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(help="Where; created if missing.")] = Path(),
) -> None:
    """Write a commented workspace. Leaves files that exist as they are.

    It has lipcert.toml, attacks/ and reports/.
    """
    from lipcert.workspace.init import init as write_workspace

    new, kept = write_workspace(folder)
    for path in new:
        typer.echo(f"wrote  {path}")
    for path in kept:
        typer.echo(f"kept   {path}")
