"""The groups in which `lipcert --help` shows the commands."""

from typing import Any

from typer.core import TyperGroup

GROUPS: dict[str, tuple[str, ...]] = {
    "Prove": ("bound", "certify", "verify", "ops"),
    "Train and attack": ("train", "sweep", "attack"),
    "Report and decide": ("report", "compare", "gate"),
    "Set up": ("init", "inspect", "check", "doctor"),
}


class Group(TyperGroup):
    """Shows every command under the headline of its group, in the order of the table."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        widest = max(map(len, self.commands))
        for title, names in GROUPS.items():
            known = [self.commands[name] for name in names if name in self.commands]
            lines = [(str(each.name).ljust(widest), each.get_short_help_str(formatter.width)) for each in known]
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)
