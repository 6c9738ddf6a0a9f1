"""`lipcert gate`: does every model still meet its rules? For CI."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from lipcert.gates.result import GateResult

_SUMMARY = "GITHUB_STEP_SUMMARY"
_STYLES = {"passed": "bold green", "failed": "bold red", "broken": "bold yellow", "violated": "bold magenta"}


def gate(
    folder: Annotated[Path, typer.Argument(help="The workspace.")] = Path(),
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute everything anew; read no stored result.")] = False,
    seconds: Annotated[float, typer.Option(min=0.0, help="For each search behind a bound that is computed.")] = 10.0,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Replace gate-baseline.json by what is read now.")
    ] = False,
    junit: Annotated[Optional[Path], typer.Option(help="Write JUnit XML here.")] = None,  # noqa: UP045 - typer reads it
    markdown: Annotated[Optional[Path], typer.Option(help="Write a summary in Markdown here.")] = None,  # noqa: UP045
    github: Annotated[
        bool, typer.Option("--github", help="Annotate a workflow of GitHub Actions, and its summary.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Hold every model to its rules, for CI.

    Ends with 0 where all rules of lipcert.toml are met, 7 where a number is worse than allowed, 3 where there is no
    number that counts, 5 where a measurement beats a proved bound.
    """
    from lipcert.cli.screen import progress
    from lipcert.gates.api import gate as run
    from lipcert.store.atomic import require_free

    for path in filter(None, (junit, markdown)):
        require_free(path, overwrite=force)
    with progress() as say:
        found = run(folder, fresh=fresh, seconds=seconds, update_baseline=update_baseline, progress=say)
    _write(found, junit, markdown, force=force)
    _show(found, asked=update_baseline, as_json=as_json)
    if github:
        _tell_github(found)
    raise typer.Exit(found.exit_code)


def _write(found: "GateResult", junit: Path | None, markdown: Path | None, *, force: bool) -> None:
    from datetime import UTC, datetime

    from lipcert.gates.junit import to_junit
    from lipcert.gates.markdown import to_markdown
    from lipcert.store.atomic import write_text

    if junit is not None:
        write_text(junit, to_junit(found, datetime.now(UTC)), overwrite=force)
    if markdown is not None:
        write_text(markdown, to_markdown(found), overwrite=force)


def _show(found: "GateResult", *, asked: bool, as_json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from lipcert.cli.screen import console
    from lipcert.cli.show import show_json
    from lipcert.gates.words import COLUMNS, cells, summary, title, why

    if as_json:
        show_json(found.to_json())
        return
    screen, table = console(), Table(*COLUMNS)
    for row in found.rows:
        style = _STYLES[row.verdict]
        table.add_row(*(Text(cell, style=style if cell == row.verdict else "") for cell in cells(row)))
    screen.print(table)
    for row in found.rows:
        for told in (why(row), *(f"note: {note}" for note in row.notes)):
            if told:
                screen.print(Text(f"{title(row)}: ", style="bold") + Text(told, style="not bold"), soft_wrap=True)
    if asked:
        told = f"written: {found.updated}" if found.updated else "not written: a rule is broken or violated"
        screen.print(Text(f"baseline {told}"), soft_wrap=True)
    screen.print(Text(summary(found), style="bold"), soft_wrap=True)


def _tell_github(found: "GateResult") -> None:
    """Annotations on stderr, which leaves stdout to --json; the runner reads both."""
    from lipcert.errors import OutputError
    from lipcert.gates.github import annotations
    from lipcert.gates.markdown import to_markdown

    for line in annotations(found):
        sys.stderr.write(f"{line}\n")
    path = os.environ.get(_SUMMARY)
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:  # other steps of the job have written theirs there
            file.write(to_markdown(found))
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", hint=f"Unset {_SUMMARY}.") from error
