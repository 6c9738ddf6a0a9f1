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
    named = {"models": workspace.settings.models, "suites": workspace.suites, "recipes": workspace.settings.train}
    listed = "; ".join(f"{kind}: {', '.join(names) or 'none'}" for kind, names in named.items())
    typer.echo(f"valid ({listed})")
