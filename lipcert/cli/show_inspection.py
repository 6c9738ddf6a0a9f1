"""What `lipcert inspect` prints."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from lipcert.cli.screen import console

if TYPE_CHECKING:
    from lipcert.checkpoint.contents import Entry, Group
    from lipcert.graph.inspection import Inspection
    from lipcert.graph.ops import Used

_LONG = 24
"""Of more tensors than these, those that differ in the number of their block alone share a row."""
_BRIEF = 400
"""Letters of a value that are shown; --json has all."""
_LEADING = ("model_type", "architectures")
_HASH = 12
_UNJOINED = "NotImplementedError"


def show_inspection(found: "Inspection", stub: Path | None) -> None:
    """The file, its tensors, its network, and what to do next."""
    screen, details = console(), console(detail=True)
    screen.print(Text(f"{found.path}: {found.format or 'no format that is known here'}, {found.size:,} bytes"))
    details.print(Text(f"sha256          {found.sha256}"), soft_wrap=True)
    for line in _metadata(found.metadata):
        details.print(line, soft_wrap=True)
    for group in found.groups:
        details.print(_tensors(group))
    for title, used in (("ONNX operation", found.onnx), ("exported operation", found.operations)):
        if used:
            details.print(_operations(title, used))
    if found.core:
        details.print(Text("proved by       " + ", ".join(found.core)), soft_wrap=True)
    if found.layers:
        details.print(_layers(found))
    for line in _next(found, stub):
        screen.print(line, soft_wrap=True)


def _metadata(told: Mapping[str, Any]) -> Iterator[Text]:
    """A line each, a config's name of the network first."""
    for key in sorted(told, key=lambda key: key not in _LEADING):
        value = told[key] if isinstance(told[key], str) else json.dumps(told[key], default=str)
        shown = value if len(value) <= _BRIEF else f"{value[:_BRIEF]} … {len(value):,} letters"
        yield Text(f"{key:<15} {shown}")


_TENSOR = ("tensor", "times", "shape", "type", "bytes", "sha256", "note")
_AT_TIMES = ("times", "note")
"""Columns that are left out where they are empty."""


def _tensors(group: "Group") -> Table:
    where, rows = " → ".join(group.where), [_row(name, entries) for name, entries in _rows(group.entries)]
    size = sum(entry.bytes for entry in group.entries)
    title = Text(f"{len(group.entries)} tensors, {size:,} bytes{f', at {where}' if where else ''}")
    shown = [name for name in _TENSOR if name not in _AT_TIMES or any(row[name] for row in rows)]
    table = Table(*shown, title=title, title_justify="left", title_style="bold")
    for row in rows:
        table.add_row(*(row[name] for name in shown))
    return table


def _row(name: str, entries: Sequence["Entry"]) -> dict[str, Text]:
    first, many = entries[0], len(entries) > 1
    cells = (
        name, str(len(entries)) if many else "", _shape(first.shape), first.dtype,
        f"{sum(entry.bytes for entry in entries):,}", "" if many else (first.sha256 or "")[:_HASH],
    )  # fmt: skip
    return dict(zip(_TENSOR, [*map(Text, cells), _notes(entries)], strict=True))


def _rows(entries: Sequence["Entry"]) -> list[tuple[str, list["Entry"]]]:
    found: dict[tuple[str, tuple[int, ...], str], list[Entry]] = {}
    for entry in entries:
        name = re.sub(r"(^|(?<=\.))\d+(?=\.)", "*", entry.name, count=1) if len(entries) > _LONG else entry.name
        found.setdefault((name, entry.shape, entry.dtype), []).append(entry)
    return [(name if len(each) > 1 else each[0].name, each) for (name, _, _), each in found.items()]


def _notes(entries: Sequence["Entry"]) -> Text:
    bad = sum(entry.not_finite for entry in entries)
    same = [entry.same_as for entry in entries if entry.same_as]
    note = Text(f"NaN or infinite: {bad:,} ", style="bold red") if bad else Text()
    return note + Text(f"the same as {same[0]}{' and so on' * (len(same) > 1)}" if same else "")


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "one number"


def _operations(title: str, used: Sequence["Used"]) -> Table:
    table = Table(title, "times", "understood")
    for each in used:
        table.add_row(Text(each.name), str(each.times), Text("yes") if each.bounded else Text("no", style="red"))
    return table


def _layers(found: "Inspection") -> Table:
    table = Table("module", "layer", title=Text("layers, a guess from names and shapes"), title_justify="left")
    rows: dict[tuple[str, str], list[str]] = {}
    for each in found.layers:
        name = re.sub(r"(^|(?<=\.))\d+(?=\.)", "*", each.path, count=1) if len(found.layers) > _LONG else each.path
        rows.setdefault((name, each.what), []).append(each.path)
    for (name, what), paths in rows.items():
        table.add_row(Text(f"{name} ({len(paths)} times)" if len(paths) > 1 else paths[0]), Text(what))
    return table


def _next(found: "Inspection", stub: Path | None) -> Iterator[Text]:
    if found.format:
        for problem in found.problems:
            yield Text("not as it is    ", style="bold red") + Text(
                f"{problem.message}\n{problem.hint}", style="default"
            )
    if stub is not None:
        yield Text(f"stub            {stub}: compare it with the code that trained the network")
    elif found.stub and found.command:
        yield Text(f"write a stub    {shlex.join(['lipcert', 'inspect', str(found.path), '--stub', 'net.py'])}")
    if _UNJOINED in found.stub and found.command:
        yield Text("fill it in      write its forward: what joins the parts is not in the file")
    if found.command:
        yield Text(f"bound it        {found.command}")
    if found.domain_guessed and found.command:
        yield Text("                the domain is a guess: say where your inputs lie", style="dim")
