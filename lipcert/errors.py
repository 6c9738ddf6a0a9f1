"""The refusals: one exception a reason, one exit code an exception.

LipcertError
├── UsageError         a flag or an argument makes no sense
├── InputError         a file or a model cannot be read as what it claims to be
├── UnsupportedError   an operation has no rule, or no finite bound on this domain
├── ViolationError     a measurement beats a proved bound: a bug in lipcert
├── RejectedError      a certificate does not prove what it claims
├── GateError          a number is worse than the gate allows
├── OutputError        a result cannot be written without losing something
└── ResourceError      more memory or time would be needed than there is
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the `lipcert` command returns to the shell."""

    OK = 0
    CRASH = 1
    USAGE = 2
    INPUT = 3
    UNSUPPORTED = 4
    VIOLATED = 5
    REJECTED = 6
    GATE = 7
    OUTPUT = 8
    RESOURCE = 9
    INTERRUPTED = 130


class LipcertError(Exception):
    """A refusal: what was seen and what is required (`message`), and what to do next (`hint`)."""

    exit_code: ClassVar[ExitCode] = ExitCode.CRASH

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(LipcertError):
    exit_code = ExitCode.USAGE


class InputError(LipcertError):
    exit_code = ExitCode.INPUT


class UnsupportedError(LipcertError):
    exit_code = ExitCode.UNSUPPORTED


class ViolationError(LipcertError):
    exit_code = ExitCode.VIOLATED


class RejectedError(LipcertError):
    exit_code = ExitCode.REJECTED


class GateError(LipcertError):
    exit_code = ExitCode.GATE


class OutputError(LipcertError):
    exit_code = ExitCode.OUTPUT


class ResourceError(LipcertError):
    exit_code = ExitCode.RESOURCE
