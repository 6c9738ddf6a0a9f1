"""`lipcert report`: what is stored of one network, written for people."""

from pathlib import Path
from typing import Annotated, Optional

import typer

Force = Annotated[bool, typer.Option("--force", help="Replace a report that is there.")]
Title = Annotated[str, typer.Option(help="Of the page. [default: the names of what it is about]")]


def report(
    folder: Annotated[
        Path, typer.Argument(help="Where `lipcert bound`, `attack`, `certify` or `train` wrote, with --out.")
    ],
    out: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation
        typer.Option(help="Write report.html, report.md and figures/ here. [default: the same folder]"),
    ] = None,
    title: Title = "",
    force: Force = False,
) -> None:
    """Write a run's results as a page, with figures and a verdict."""
    from rich.text import Text

    from lipcert.cli.screen import console, progress
    from lipcert.reports.api import report as write

    said: list[str] = []
    with progress() as say:
        say("drawing", 0, 0)
        path = write(folder, out=out, title=title, force=force, say=said.append)
    screen = console()
    for line in said:
        screen.print(Text(line), soft_wrap=True)
    screen.print(Text(f"written  {path}, report.md and figures/ beside it"), soft_wrap=True)
