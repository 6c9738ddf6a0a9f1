"""The `lipcert` command: its table of subcommands, and how a refusal becomes a message and an exit code."""

import errno
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer

import lipcert
from lipcert.cli import attack, bound, check, compare, doctor, gate, init, inspect, ops, report, sweep, train, verify
from lipcert.cli.command import Command, Loudness, Quiet, Verbose, loudness, set_loudness
from lipcert.cli.group import Group
from lipcert.cli.train_flags import RecipeCommand
from lipcert.errors import ExitCode, LipcertError

# `lipcert --help` shows the first sentence of each docstring (65 letters at most), in the groups of group.py.
# A command's module imports torch, pandas and the rooms inside its function, so that help is instant.
COMMANDS: dict[str, Callable[..., Any]] = {
    "bound": bound.bound,
    "verify": verify.verify,
    "attack": attack.attack,
    "certify": attack.certify,
    "train": train.train,
    "sweep": sweep.sweep,
    "report": report.report,
    "compare": compare.compare,
    "ops": ops.ops,
    "inspect": inspect.inspect,
    "gate": gate.gate,
    "init": init.init,
    "check": check.check,
    "doctor": doctor.doctor,
}

_FRAMES_SHOWN = 6

app = typer.Typer(
    name="lipcert",
    cls=Group,
    help="Proved Lipschitz bounds for trained networks, with certificates that anyone can check.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: half the time, and brackets in it are no markup
    pretty_exceptions_enable=False,
)
for name, command in COMMANDS.items():
    app.command(name, cls=RecipeCommand if command is train.train else Command)(command)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"lipcert {lipcert.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    set_loudness(quiet=quiet, verbose=verbose)


def main() -> int:
    """Run the command line that the shell gave, and return its exit code. Never raises."""
    try:
        app()
    except SystemExit as stop:  # how typer ends, also after Ctrl-C
        return _interrupted() if stop.code == ExitCode.INTERRUPTED else _code(stop.code)
    except KeyboardInterrupt:
        return _interrupted()
    except LipcertError as refusal:
        _complain(refusal.message, refusal.hint)
        return refusal.exit_code
    except OSError as error:
        return _disk_full(error) if error.errno == errno.ENOSPC else _crashed(error)
    except Exception as error:  # noqa: BLE001 - the last handler: whatever comes, say what happened
        return _out_of_memory(error) if _is_out_of_memory(error) else _crashed(error)
    return ExitCode.OK


def _code(code: str | int | None) -> int:
    return code if isinstance(code, int) else ExitCode.OK if code is None else ExitCode.CRASH


def _interrupted() -> int:
    _complain("interrupted", "Files are written whole or not at all: what was finished before is kept.")
    return ExitCode.INTERRUPTED


def _is_out_of_memory(error: Exception) -> bool:
    # torch has no exception of its own for memory on the CPU: a RuntimeError that names the allocator.
    return isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error)


def _out_of_memory(error: Exception) -> int:
    _complain(f"out of memory: {error}".rstrip(": "), "Free memory, or run it on a machine that has more.")
    return ExitCode.RESOURCE


def _disk_full(error: OSError) -> int:
    _complain(f"what was found cannot be written: {error.strerror}", "Free room on the disk, and run it again.")
    return ExitCode.OUTPUT


def _crashed(error: Exception) -> int:
    frames = traceback.format_exception(error, limit=None if loudness() >= Loudness.VERBOSE else -_FRAMES_SHOWN)
    _complain(
        f"{type(error).__name__}: {error}",
        "This is a bug in lipcert. Please report it with the command and the lines above.",
        before="".join(frames),
    )
    return ExitCode.CRASH


def _complain(message: str, hint: str, before: str = "") -> None:
    """Say on stderr what was seen and what to do next; file names and the like are never markup."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if before:
        console.print(Text(before.rstrip(), style="dim"))
    console.print(Text("lipcert: ", style="bold red") + Text(message))
    if hint:
        console.print(Text(hint))


if __name__ == "__main__":
    sys.exit(main())
