"""The flags of `lipcert train`: one for every key that may stand in a recipe, read from its schema.

The schema is read when the command runs or shows its help, and not when `lipcert` starts.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from lipcert.cli.command import Command

if TYPE_CHECKING:
    from lipcert.workspace.recipe_keys import Key

FLAGS = "flags"
"""The parameter of a command that receives what its flags say, by key."""

_NONE = "none"


class _Written(NamedTuple):
    """How a value of some kind is written behind a flag."""

    metavar: str
    read: Callable[[str], Any]
    example: str


_KINDS: dict[str, _Written] = {
    "whole number": _Written("N", int, "100"),
    "number": _Written("NUMBER", float, "0.1"),
    "text": _Written("TEXT", str, "text"),
    "list of whole numbers": _Written("N,N", lambda text: [int(part) for part in text.split(",")], "784,256,10"),
}


def recipe_flags(function: Callable[..., None]) -> Callable[..., None]:
    """A command out of a function with a parameter `flags`, in whose place stands an option for every key.

    Register it with `cls=RecipeCommand`, which adds them. A parameter that has the name of a key takes its place.
    """

    @wraps(function)
    def command(**given: Any) -> None:
        function(**given, flags={})

    return _sign(command, [each for each in _parameters(function) if each.name != FLAGS])


class RecipeCommand(Command):
    """A command made by `recipe_flags`."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """That of the command with all its options."""
        whole = typer.Typer(add_completion=False, rich_markup_mode=None)
        whole.command(self.name, cls=_Grouped)(_with_options(inspect.unwrap(self.callback)))  # type: ignore[arg-type]
        return typer.main.get_command(whole).make_context(*args, **kwargs)


class _Grouped(Command):
    """Shows options under the headlines that plain help leaves out."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        titled = [(_title(param), param.get_help_record(ctx)) for param in self.get_params(ctx)]
        for title, lines in groupby(sorted(titled, key=lambda each: bool(each[0])), key=lambda each: each[0]):
            with formatter.section(title or "Options"):
                formatter.write_dl([record for _, record in lines if record])


def _title(param: Any) -> str:
    return getattr(param, "rich_help_panel", None) or ""


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    own = [each for each in _parameters(function) if each.name != FLAGS]
    known = _by_name({each.name for each in own})

    @wraps(function)
    def command(**given: Any) -> None:
        flags = {name: given.pop(name) for name in known}
        function(**given, flags={name: _read(known[name][0], text) for name, text in flags.items() if text is not None})

    return _sign(command, [*own, *(_option(forms) for forms in known.values())])


def _parameters(function: Callable[..., None]) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


def _sign(command: Callable[..., None], parameters: list[inspect.Parameter]) -> Callable[..., None]:
    """With these parameters, for typer to read."""
    keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    command.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _by_name(taken: set[str]) -> dict[str, list["Key"]]:
    """The keys that become options; several architectures may have forms of one."""
    from lipcert.workspace.recipe_keys import keys

    found: dict[str, list[Key]] = {}
    for key in keys():
        if key.name not in taken:
            found.setdefault(key.name, []).append(key)
    return found


def _option(forms: list["Key"]) -> inspect.Parameter:
    first, dashed = forms[0], forms[0].name.replace("_", "-")
    yes_or_no = first.kind == "yes or no"
    option = typer.Option(
        f"--{dashed}/--no-{dashed}" if yes_or_no else f"--{dashed}",
        metavar=None if yes_or_no else _KINDS[first.kind].metavar,
        help=" ".join(_help(key) for key in forms),
        rich_help_panel=first.title,
        show_default=False,
    )
    kind: Any = bool if yes_or_no else str
    return inspect.Parameter(
        first.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _help(key: "Key") -> str:
    from lipcert.workspace.recipe_keys import ARGUMENTS_TITLE

    models = f"{', '.join(key.models)}: " if key.title == ARGUMENTS_TITLE else ""
    choices = f" One of {', '.join(key.choices)}." if key.choices else ""
    default = "" if key.default in (None, "") else f" [default: {_shown(key.default)}]"
    return f"{models}{key.help}{choices}{default}"


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:.4g}" if isinstance(default, float) else str(default)


def _read(key: "Key", text: str | bool) -> Any:
    """The value that a flag names. Raises UsageError."""
    from lipcert.errors import UsageError

    if isinstance(text, bool) or (key.optional and text == _NONE):
        return None if text == _NONE else text
    try:
        return _KINDS[key.kind].read(text)
    except ValueError:
        hint = f"Write {_KINDS[key.kind].example}{', or none' if key.optional else ''}."
        raise UsageError(f"--{key.name.replace('_', '-')}: {text[:40]!r} is no {key.kind}.", hint=hint) from None
