"""Where commands print: as wide as it has to be, plain where nobody watches, and silent where -q asks for it."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from lipcert.cli.command import Loudness, loudness

_UNBOUNDED = 10_000
_FIRST_LINE, _MOST_BETWEEN = 10.0, 300.0
"""Seconds until a command says for the first time what it is doing, and at most between two such lines."""

Say = Callable[[str, int, int], None]


class Screen(Console):
    """Prints a table that it is too narrow for row by row: a number that is cut short is another number."""

    def print(self, *objects: Any, **how: Any) -> None:
        super().print(*(self._fitting(each) if isinstance(each, Table) else each for each in objects), **how)

    def _fitting(self, table: Table) -> RenderableType:
        for column in table.columns:
            column.overflow = "fold"
        if not table.show_header:  # lines, each with its name in front
            return table
        unbounded = self.options.update(width=_UNBOUNDED)
        narrowest = Measurement.get(self, unbounded, table).minimum
        return table if narrowest <= self.width else _rows(table)


def _rows(table: Table) -> Group:
    """Its content, a line a cell, with the name of the column in front."""
    parts: list[RenderableType] = [] if table.title is None else [table.title]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        row = Table.grid(Column(overflow="fold"), Column(overflow="fold"), padding=(0, 2))
        for column, cell in zip(table.columns, cells, strict=True):
            if str(cell):
                row.add_row(column.header, cell)
        parts += [row, Text()]
    return Group(*parts)


def console(*, stderr: bool = False, detail: bool = False) -> Screen:
    """Where there is no terminal and no COLUMNS, lines are as long as they are: a log is searched, not looked at.

    detail: for what -q leaves out.
    """
    stream = sys.stderr if stderr else sys.stdout
    endless = not stream.isatty() and "COLUMNS" not in os.environ
    return Screen(
        stderr=stderr, highlight=False, width=_UNBOUNDED if endless else None, soft_wrap=endless,
        quiet=detail and loudness() == Loudness.QUIET,
    )  # fmt: skip


def watched() -> bool:
    """Whether a bar can move on stderr: a terminal that can, no log of a CI, and neither -q nor -v."""
    logged = os.environ.get("CI", "").lower() not in ("", "0", "false")
    terminal = sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    return terminal and not logged and loudness() == Loudness.NORMAL


@contextmanager
def progress() -> Iterator[Say]:
    """What is being done, on stderr: a bar that is gone at the end, or where nobody watches a line now and then."""
    if not watched():
        yield Lines().say
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda doing, done, total: bar.update(task, description=doing, completed=done, total=total or None)


class Lines:
    """Progress as lines of a log: the first after ten seconds, each next one when twice that time has gone by."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._due = _FIRST_LINE

    def say(self, doing: str, done: int, total: int) -> None:
        passed = time.monotonic() - self._started
        if passed < self._due:
            return
        self._due = passed + min(passed, _MOST_BETWEEN)
        of = f" {done}/{total}" if total else ""
        console(stderr=True, detail=True).print(Text(f"{passed:.0f} s: {doing}{of}"))
