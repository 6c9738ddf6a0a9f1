"""`lipcert.check`: whether a workspace is valid."""

from pathlib import Path

from lipcert.workspace.load import Workspace, load


def check(folder: Path | str = ".") -> Workspace:
    """Read and validate lipcert.toml and attacks/*.toml; runs no model and imports nothing of the user's.

    Raises InputError listing every problem.
    """
    return load(Path(folder))
