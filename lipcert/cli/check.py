"""`lipcert check`: validate every TOML of a workspace."""

from pathlib import Path
from typing import Annotated

import typer


def check(
    folder: Annotated[Path, typer.Argument(help="The workspace.")] = Path(),
) -> None:
    """Validate lipcert.toml and attacks/*.toml. Runs no model, imports nothing of yours."""
    from lipcert.workspace.check import check as validate

    workspace = validate(folder)
    settings = workspace.settings
    named = {"models": settings.models, "suites": workspace.suites, "recipes": settings.train, "sweeps": settings.sweep}
    listed = "; ".join(f"{kind}: {', '.join(names) or 'none'}" for kind, names in named.items())
    typer.echo(f"valid ({listed})")
