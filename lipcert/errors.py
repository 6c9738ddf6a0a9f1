"""The refusals: one exception a reason, one exit code an exception.

LipcertError
├── UsageError         a flag or an argument makes no sense
├── InputError         a file or a model cannot be read as what it claims to be
├── UnsupportedError   an operation has no rule, or no finite bound on this domain
├── ViolationError     a measurement beats a proved bound: a bug in lipcert
├── RejectedError      a certificate does not prove what it claims
├── GateError          a number is worse than the gate allows
├── OutputError        a result cannot be written without losing something
├── ResourceError      more memory or time would be needed than there is
├── DivergedError      the loss of a training run is no number any more, or has leapt
└── StoppedError       the user stopped a run; what it has done is kept, and it can go on
"""

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


class ExitCode(IntEnum):
    """What the `lipcert` command returns to the shell. means: in a line, for the docs."""

    means: str

    def __new__(cls, code: int, means: str) -> "ExitCode":
        member = int.__new__(cls, code)
        member._value_, member.means = code, means
        return member

    OK = 0, "done; what was asked is proved"
    CRASH = 1, "a bug in lipcert: please report it"
    USAGE = 2, "a flag or an argument makes no sense"
    INPUT = 3, "a file or a model cannot be read as what it claims to be"
    UNSUPPORTED = 4, "an operation has no rule, or no finite bound on this domain"
    VIOLATED = 5, "a measurement beats a proved bound: a bug in lipcert, reported rather than hidden"
    REJECTED = 6, "a certificate does not prove what it claims"
    GATE = 7, "a number is worse than the gate allows"
    OUTPUT = 8, "a result cannot be written without losing something"
    RESOURCE = 9, "more memory or time would be needed than there is"
    DIVERGED = 10, "the loss of a training run is no number any more, or has leapt; its last good state is kept"
    INTERRUPTED = 130, "stopped by Ctrl-C; files are whole or absent"


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
    """points: two inputs, each with a batch of one, that show it, where there are such; bound, norm: what they beat."""

    exit_code = ExitCode.VIOLATED

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        points: "tuple[Tensor, Tensor] | None" = None,
        bound: float = 0.0,
        norm: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.points = points
        self.bound = bound
        self.norm = norm


class RejectedError(LipcertError):
    exit_code = ExitCode.REJECTED


class GateError(LipcertError):
    exit_code = ExitCode.GATE


class OutputError(LipcertError):
    exit_code = ExitCode.OUTPUT


class ResourceError(LipcertError):
    exit_code = ExitCode.RESOURCE


class DivergedError(LipcertError):
    exit_code = ExitCode.DIVERGED


class StoppedError(LipcertError):
    exit_code = ExitCode.INTERRUPTED
