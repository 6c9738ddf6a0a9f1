"""`lipcert check`: validate every TOML of a workspace."""

from pathlib import Path
from typing import Annotated

import typer


def check(
    folder: Annotated[Path, typer.Argument(help="The workspace.")] = Path(),
) -> None:
    """Validate lipcert.toml and attacks/*.toml; runs no model, imports nothing of yours."""
    from lipcert.workspace.load import load

    workspace = load(folder)
    typer.echo(f"valid: {len(workspace.settings.models)} models, {len(workspace.suites)} suites")
