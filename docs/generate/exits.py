"""The page of exit codes, from ExitCode and the exceptions that carry them."""

import inspect

from generate.prose import cell
from lipcert import errors
from lipcert.errors import ExitCode, LipcertError


def pages() -> dict[str, str]:
    text = [
        "# Exit codes",
        "What `lipcert` returns to the shell, and what `lipcert` raises in Python. Each kind of refusal has one code, "
        "so that a script can tell a gate that failed from a file that is missing.",
        "| code | name | means | raised in Python |\n|-----:|------|-------|---|\n" + "\n".join(map(_row, ExitCode)),
        "Every exception is a `lipcert.LipcertError`: its `message` says what was seen and what is needed, its `hint` "
        "what to do next. The command prints both on standard error.",
    ]
    return {"exit-codes.md": "\n\n".join(text) + "\n"}


def _row(code: ExitCode) -> str:
    raised = [
        f"`{name}`"
        for name, each in vars(errors).items()
        if inspect.isclass(each)
        and issubclass(each, LipcertError)
        and each is not LipcertError
        and each.exit_code == code
    ]
    return f"| {code.value} | {code.name.lower()} | {cell(code.means)} | {', '.join(raised)} |"
