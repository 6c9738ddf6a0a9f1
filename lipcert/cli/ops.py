"""`lipcert ops`: what can be bounded, and what a model uses."""

from collections import Counter
from typing import TYPE_CHECKING

from lipcert.cli.options import Arch, Checkpoint, Input, Source, TrustPickle, read_model

if TYPE_CHECKING:
    from lipcert.checkpoint.model import Model


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
    if path is None:
        _coverage()
    else:
        _used(read_model(path, arch, inputs, trust_pickle), source)


def _coverage() -> None:
    from rich.table import Table
    from rich.text import Text

    from lipcert.cli.show import console
    from lipcert.graph.lowering.table import LOWER
    from lipcert.rules.pointwise import POINTWISE
    from lipcert.rules.table import RULES

    table = Table("core operation", "what is proved of it", title="rules", title_justify="left")
    for name, rule in RULES.items():
        table.add_row(name, Text(rule.source))
    screen = console()
    screen.print(table)
    screen.print(Text("entrywise functions  " + ", ".join(POINTWISE)))
    screen.print(Text("exported operations  " + ", ".join(name for name in LOWER if name != "getitem")))


def _used(model: "Model", source: str) -> None:
    from rich.table import Table

    from lipcert.cli.show import console
    from lipcert.errors import UnsupportedError
    from lipcert.graph.capture import capture, operations

    program = capture(model.module, model.example_inputs) if model.module is not None else model.program
    assert program is not None  # a Model is one or the other
    found = operations(program, model.example_inputs, source=source)
    table = Table("exported operation", "times", "bounded")
    for name, count in Counter(name for name, _ in found).items():
        supported = all(ok for other, ok in found if other == name)
        table.add_row(name, str(count), "yes" if supported else "[red]no[/]")
    console().print(table)
    missing = sorted({name for name, ok in found if not ok})
    if missing:
        raise UnsupportedError(f"no rule for: {', '.join(missing)}", hint="`lipcert ops` lists what can be bounded.")
