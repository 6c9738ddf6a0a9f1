"""`lipcert compare`: networks side by side."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.table import Table
from rich.text import Text

from lipcert.cli.report import Force, Title

if TYPE_CHECKING:
    from lipcert.reports.api import Comparison


def compare(
    members: Annotated[list[Path], typer.Argument(help="Run folders, or checkpoints, which are bounded afresh.")],
    baseline: Annotated[str, typer.Option(help="The name of one of them: what is worse than it is a regression.")] = "",
    out: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation
        typer.Option(help="Write report.html, report.md and figures/ into this folder."),
    ] = None,
    title: Title = "",
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
    seconds: Annotated[float, typer.Option(min=0.0, help="For each search behind a fresh bound.")] = 10.0,
) -> None:
    """Set networks side by side: bounds, accuracy, what changed."""
    from lipcert.cli.screen import console, progress
    from lipcert.reports.api import compare as set_side_by_side

    said: list[str] = []
    with progress() as say:
        say("comparing", 0, 0)
        found = set_side_by_side(
            members, baseline=baseline, out=out, title=title, force=force, seconds=seconds, say=said.append
        )
    for line in said:
        console(stderr=True).print(Text(line), soft_wrap=True)
    if as_json:
        json.dump(found.to_json(), sys.stdout, indent=1, allow_nan=False)
        sys.stdout.write("\n")
        return
    _show(found, marked=bool(baseline))


def _show(found: "Comparison", *, marked: bool) -> None:
    from lipcert.cli.screen import console
    from lipcert.reports.sections.comparison import mixed

    screen = console()
    screen.print(_table(found, marked=marked))
    for line in mixed(found.records):
        screen.print(
            Text("different claims  ", style="bold yellow") + Text(line, style="not bold default"), soft_wrap=True
        )
    if marked and not found.regressions:
        screen.print(Text(f"nothing that compares is worse than {found.baseline}", style="bold green"))
    for line in found.regressions if len(found.records) > 2 else ():  # of two, the table says it
        screen.print(Text("regression  ", style="bold red") + Text(line, style="not bold default"), soft_wrap=True)
    if found.path is not None:
        screen.print(Text(f"written  {found.path}, report.md and figures/ beside it"), soft_wrap=True)


def _table(found: "Comparison", *, marked: bool) -> Table:
    """A row a quantity, a column a network, and what changed where there are two."""
    from lipcert.reports.sections.comparison import in_words, overview

    table = Table()
    rows = overview(found.records)
    two = len(found.records) == 2
    table.add_column("quantity", overflow="fold")
    for record in found.records:
        table.add_column(record.name, justify="right", overflow="fold")
    if two:
        table.add_column(f"against {found.baseline}", overflow="fold")
    changes = {change.title: in_words(change, marked=marked) for change in found.changes}
    for title, cells in rows:
        last = [changes.get(title, "")] if two else []
        table.add_row(title, *(Text(cell.text) for cell in cells), *last)
    return table
