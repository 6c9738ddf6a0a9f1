"""The command line: help, version, and how each end becomes a message and an exit code."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lipcert import errors
from lipcert.cli import main as cli
from lipcert.cli.group import GROUPS
from lipcert.errors import ExitCode, LipcertError


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lipcert.cli.main", *arguments]
    plain = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=plain, timeout=60, check=False)


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """main() where the command ends with `error`: the exit code and what stands on stderr."""

    def call(error: BaseException) -> tuple[int, str]:
        def app() -> None:
            raise error

        monkeypatch.setattr(cli, "app", app)
        code = cli.main()
        return code, capsys.readouterr().err

    return call


def test_help_names_every_command_and_version_prints_it() -> None:
    shown = run("--help")
    assert shown.returncode == ExitCode.OK
    assert all(name in shown.stdout for name in cli.COMMANDS)
    assert run("--version").stdout.startswith("lipcert 0.")
    assert "Usage" in run().stdout + run().stderr


def test_help_shows_each_command_once_in_its_group_on_a_line() -> None:
    lines = run("--help").stdout.splitlines()
    grouped = [name for names in GROUPS.values() for name in names]
    assert len(set(grouped)) == len(grouped)
    assert set(grouped) >= set(cli.COMMANDS)
    assert all(f"{title}:" in lines for title in GROUPS)
    for name, command in cli.COMMANDS.items():
        sentence = (command.__doc__ or "").split(". ")[0].splitlines()[0].rstrip(".")
        assert len(sentence) <= 65
        assert sum(line.split() == [name, *f"{sentence}.".split()] for line in lines) == 1


def test_help_is_there_at_once() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of the processor, not of the clock: other tests run beside this one.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["chekc"], "'check'"),
        (["bound", "--domian", "x"], "--domain"),
        (["train", "--weight-deacy", "1"], "--weight-decay"),
        (["--verison"], "--version"),
    ],
)
def test_a_slip_of_the_pen_names_what_was_meant(arguments: list[str], nearest: str) -> None:
    assert nearest in run(*arguments).stderr


@pytest.mark.parametrize("arguments", [["chekc"], ["check", "--fast"], ["check", "a", "b"]])
def test_a_wrong_command_line_is_bad_usage(arguments: list[str]) -> None:
    assert run(*arguments).returncode == ExitCode.USAGE


@pytest.mark.parametrize("kind", LipcertError.__subclasses__())
def test_a_refusal_is_a_message_a_hint_and_its_code(raising, kind: type[LipcertError]) -> None:
    code, shown = raising(kind("[bold]layers[0][/bold] was seen", hint="Try [this]."))
    assert code == kind.exit_code != ExitCode.CRASH
    assert shown == "lipcert: [bold]layers[0][/bold] was seen\nTry [this].\n"


def test_each_refusal_has_a_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in LipcertError.__subclasses__()]
    assert len(set(codes)) == len(codes)
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in LipcertError.__subclasses__())


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_out_of_memory(raising, error: Exception) -> None:
    code, shown = raising(error)
    assert code == ExitCode.RESOURCE
    assert "out of memory" in shown
    assert "Traceback" not in shown


def test_a_full_disk_is_no_bug(raising) -> None:
    code, said = raising(OSError(errno.ENOSPC, "No space left on device"))
    assert code == ExitCode.OUTPUT
    assert "No space left on device" in said
    assert "Traceback" not in said


def test_anything_else_is_a_bug_in_lipcert(raising) -> None:
    code, shown = raising(ZeroDivisionError("[red]oops[/red]"))
    assert code == ExitCode.CRASH
    assert "ZeroDivisionError: [red]oops[/red]" in shown
    assert "bug in lipcert" in shown


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(130)])
def test_an_interruption_says_what_is_kept(raising, stop: BaseException) -> None:
    code, shown = raising(stop)
    assert code == ExitCode.INTERRUPTED
    assert "interrupted" in shown
    assert "kept" in shown


@pytest.mark.parametrize(("stop", "code"), [(None, 0), (0, 0), (2, 2), ("a message", ExitCode.CRASH)])
def test_how_typer_ends_is_how_main_ends(raising, stop: str | int | None, code: int) -> None:
    assert raising(SystemExit(stop))[0] == code


def test_ctrl_c_in_a_running_command() -> None:
    program = (
        "import time, typer; from lipcert.cli import main as cli\n"
        "cli.app = typer.Typer()\n"
        "@cli.app.command()\n"
        "def wait():\n    print('running', flush=True); time.sleep(60)\n"
        "raise SystemExit(cli.main())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        shown = process.communicate(timeout=30)[1]
    assert process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in shown
    assert shown.count("interrupted") == 1
