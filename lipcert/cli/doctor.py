"""`lipcert doctor`: what is installed here, and whether proofs can be trusted on this machine."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from lipcert.installed import Installation


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Say what is installed, what is missing, and what it would add.

    Fails where something that proofs rely on does not hold on this machine.
    """
    from lipcert.cli.screen import console
    from lipcert.cli.show import show_json
    from lipcert.errors import UnsupportedError
    from lipcert.installed import doctor as look

    found = look()
    if as_json:
        show_json(found.to_json())
    else:
        for table in (_versions(found), _devices(found), _extras(found)):
            console(detail=True).print(table)
        console().print(_checks(found))
    failed = [check for check in found.checks if check.proofs and not check.holds]
    if not found.sound:
        raise UnsupportedError(
            "nothing is proved here: " + "; ".join(f"not so: {check.name}" for check in failed),
            hint="\n".join(check.todo for check in failed),
        )


def _lines(title: str) -> "Table":
    """What is named in front of each line."""
    from rich.table import Table
    from rich.text import Text

    lines = Table.grid("name", "text", "more", padding=(0, 2))
    lines.title, lines.title_justify, lines.title_style = Text(title), "left", "bold"
    return lines


def _versions(found: "Installation") -> "Table":
    from rich.text import Text

    lines = _lines("versions")
    for name, version in found.versions.items():
        lines.add_row(name, Text(version) if version else Text("missing", style="bold red"))
    for name, build in found.builds.items():
        lines.add_row(f"build of {name}" if name == "torch" else name, Text(build))
    lines.add_row("system", Text(found.system))
    lines.add_row("workspace", Text(found.workspace))
    return lines


def _devices(found: "Installation") -> "Table":
    from rich.text import Text

    lines = _lines("devices")
    for device in found.devices:
        memory = "" if device.memory is None else f"{device.memory / 2**30:.1f} GiB"
        lines.add_row(device.name, Text(device.what), memory)
    return lines


def _extras(found: "Installation") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table("extra", "installed", "enables", "install it")
    table.title, table.title_justify, table.title_style = Text("extras"), "left", "bold"
    for extra in found.extras:
        here = [f"{name} {version}" for name, version in extra.packages.items() if version]
        lacking = [f"no {name}" for name, version in extra.packages.items() if version is None]
        state = Text(", ".join([*here, *lacking]), style="yellow" if lacking else "")
        table.add_row(extra.name, state, Text(extra.enables), Text(extra.install if lacking else ""))
    return table


def _checks(found: "Installation") -> "Table":
    from rich.text import Text

    lines = _lines("checks")
    for check in found.checks:
        bad = Text("NOT OK", style="bold red" if check.proofs else "bold yellow")
        lines.add_row(Text("ok", style="green") if check.holds else bad, check.name, "" if check.holds else check.todo)
    return lines
