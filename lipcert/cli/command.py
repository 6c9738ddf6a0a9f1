"""What every subcommand is: one that knows the line that called it."""

import shlex
from contextvars import ContextVar
from typing import Any

from typer.core import TyperCommand

_LINE: ContextVar[str] = ContextVar("line")


class Command(TyperCommand):
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        _LINE.set(shlex.join(["lipcert", *([info_name] if info_name else []), *args]))
        return super().make_context(info_name, args, parent, **extra)


def command_line() -> str:
    """The command that is running, as a shell takes it."""
    return _LINE.get()
