"""`lipcert check`: validate every TOML of a workspace."""

from pathlib import Path
from typing import Annotated

import typer


def check(
    folder: Annotated[Path, typer.Argument(help="The workspace.")] = Path(),
) -> None:
    """Validate lipcert.toml and attacks/*.toml. Runs no model, imports nothing of yours."""
    from lipcert.workspace.load import load

    workspace = load(folder)
    models, suites = (", ".join(names) or "none" for names in (workspace.settings.models, workspace.suites))
    typer.echo(f"valid (models: {models}; suites: {suites})")
