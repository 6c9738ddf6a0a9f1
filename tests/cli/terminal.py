"""The command line as a terminal, a pipe or the log of a CI sees it."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping

_DECIDE = ("CI", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "TERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
COMMAND = [sys.executable, "-m", "lipcert.cli.main"]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The surroundings of these tests, of what decides the looks only that which is given."""
    return {name: value for name, value in os.environ.items() if name not in _DECIDE} | {"OMP_NUM_THREADS": "1"} | given


def piped(*arguments: object, **given: str) -> subprocess.CompletedProcess[str]:
    """Run lipcert with stdout and stderr apart, into pipes. given: the environment."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(given), timeout=120, check=False)


def in_terminal(*arguments: object, columns: int, **given: str) -> str:
    """What lipcert writes to a terminal of so many columns, control characters and all."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command, env = [*COMMAND, *map(str, arguments)], environment({"TERM": "xterm-256color"} | given)
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=env) as process:
        os.close(its)
        written = b"".join(iter(lambda: _read(ours), b""))
        process.wait(timeout=120)
    os.close(ours)
    return written.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed: how Linux ends a terminal
        return b""
