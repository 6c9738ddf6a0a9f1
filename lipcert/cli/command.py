"""What every subcommand is: one that knows the line that called it, and takes -q and -v."""

import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from lipcert.errors import UsageError


class Loudness(IntEnum):
    """How much a command says."""

    QUIET = -1
    NORMAL = 0
    VERBOSE = 1
    DEBUG = 2


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone: no progress, no hints.")]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, show_default=False, help="Log each stage with its time; -vv: when it begins too."
    ),
]

_LINE: ContextVar[str] = ContextVar("line")
_LOUDNESS: ContextVar[Loudness] = ContextVar("loudness", default=Loudness.NORMAL)
_LEVELS = {Loudness.VERBOSE: logging.INFO, Loudness.DEBUG: logging.DEBUG}


class Command(TyperCommand):
    """-q and -v are read here, and reach no function of a command."""

    def __init__(self, *args: Any, params: list[Any] | None = None, **extra: Any) -> None:
        super().__init__(*args, params=[*(params or []), *_flags()], **extra)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        _LINE.set(shlex.join(["lipcert", *([info_name] if info_name else []), *args]))
        context = super().make_context(info_name, args, parent, **extra)
        quiet, verbose = context.params.pop("quiet"), context.params.pop("verbose")
        if quiet or verbose:  # else what stands before the command's name holds
            set_loudness(quiet=quiet, verbose=verbose)
        if loudness() in _LEVELS and not context.resilient_parsing:
            context.with_resource(_logged(_LEVELS[loudness()]))
        return context


def command_line() -> str:
    """The command that is running, as a shell takes it."""
    return _LINE.get()


def loudness() -> Loudness:
    """What -q and -v ask for."""
    return _LOUDNESS.get()


def set_loudness(*, quiet: bool, verbose: int) -> None:
    """Raises UsageError for both at once."""
    if quiet and verbose:
        raise UsageError("--quiet and --verbose are both given.", hint="Leave one of them away.")
    _LOUDNESS.set(Loudness.QUIET if quiet else Loudness(min(verbose, Loudness.DEBUG)))


@cache
def _flags() -> list[Any]:
    """-q and -v, as typer makes parameters of them."""

    def takes(quiet: Quiet = False, verbose: Verbose = 0) -> None: ...

    made = typer.Typer(add_completion=False)
    made.command()(takes)
    return typer.main.get_command(made).params


@contextmanager
def _logged(level: int) -> Iterator[None]:
    """Within this, what the rooms log stands on stderr, a plain line each, so that it may go into a file as well."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("lipcert")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
