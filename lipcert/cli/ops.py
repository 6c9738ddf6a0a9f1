"""`lipcert ops`: what can be bounded, and what a model uses."""

from typing import TYPE_CHECKING

from lipcert.cli.options import Arch, Checkpoint, Input, Source, TrustPickle, shapes

if TYPE_CHECKING:
    from lipcert.graph.ops import Operations


def ops(
    path: Checkpoint = None,
    arch: Arch = "",
    inputs: Input = [],  # noqa: B006 - typer copies it
    source: Source = "",
    trust_pickle: TrustPickle = False,
) -> None:
    """List the operations with rules, or those of one model.

    With a checkpoint: what it uses from the source on, and what is missing.
    """
    from lipcert.errors import UnsupportedError
    from lipcert.graph.ops import ops as list_operations

    found = list_operations(path, arch=arch or None, inputs=shapes(inputs), source=source, trust_pickle=trust_pickle)
    if path is None:
        _coverage(found)
        return
    _used(found)
    if found.missing:
        raise UnsupportedError(
            f"no rule for: {', '.join(found.missing)}", hint="`lipcert ops` lists what can be bounded."
        )


def _coverage(found: "Operations") -> None:
    from rich.table import Table
    from rich.text import Text

    from lipcert.cli.screen import console

    table = Table("core operation", "what is proved of it", title="rules", title_justify="left")
    for name, source in found.rules.items():
        table.add_row(name, Text(source))
    screen = console()
    screen.print(table)
    screen.print(Text("entrywise functions  " + ", ".join(found.entrywise)))
    screen.print(Text("exported operations  " + ", ".join(found.exported)))


def _used(found: "Operations") -> None:
    from rich.table import Table
    from rich.text import Text

    from lipcert.cli.screen import console

    table = Table("exported operation", "times", "bounded")
    for each in found.used:
        table.add_row(each.name, str(each.times), Text("yes") if each.bounded else Text("no", style="red"))
    console().print(table)
