"""What the workers of the tests compute; they import it by name."""

import os
import signal
import time
from pathlib import Path

from lipcert.errors import InputError


def square(item: int) -> list[float]:
    return [item, item * item / 7]


def weighted(weights: list[float], item: int) -> float:
    return sum(weights) * item


def odd_alone(item: int) -> int:
    if item == 4:
        raise InputError("4 is even", hint="Give odd numbers.")
    if item == 6:
        raise ZeroDivisionError("6 divides nothing")
    return item


def killed(item: int) -> int:
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def surroundings(_: int) -> tuple[int, str, bool]:
    interrupts = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    return os.getpid(), os.environ.get("OMP_NUM_THREADS", ""), interrupts


def slow_after(folder: Path, item: int) -> int:
    """The first two at once, the others not in the time of a test."""
    if item >= 2:
        (folder / str(os.getpid())).touch()
        time.sleep(600)
    return item
