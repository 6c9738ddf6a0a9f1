"""The page of the Python interface: every public name with its signature and docstring."""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import lipcert
from generate.prose import markdown, plain

_WIDTH = 80


def pages() -> dict[str, str]:
    names = [name for name in lipcert.__all__ if not name.startswith("_")]
    functions = [name for name in names if inspect.isroutine(getattr(lipcert, name))]
    errors = [name for name in names if name.endswith("Error")]
    values = [name for name in names if name not in {*functions, *errors}]
    text = [
        "# Python",
        "What `import lipcert` offers. Names are loaded when they are first used, so the import is fast.",
        "## Functions",
        *(part for name in functions for part in _function(f"lipcert.{name}", getattr(lipcert, name), "###")),
        "## Types and values",
        *(part for name in values for part in _value(name, getattr(lipcert, name))),
        "## Refusals",
        ", ".join(f"`lipcert.{name}`" for name in errors) + ": see [exit codes](exit-codes.md).",
    ]
    return {"python.md": "\n\n".join(text) + "\n"}


def _function(title: str, function: Callable[..., Any], level: str) -> Iterator[str]:
    if not function.__doc__:
        raise ValueError(f"{title} is public and has no docstring")
    yield f"{level} {title}"
    yield f"```python\n{signature(function)}\n```"
    yield told(function.__doc__, list(inspect.signature(function).parameters))


def told(docstring: str, names: list[str]) -> str:
    """A docstring; what it says of parameters or fields, `x: …` and `low, high: …`, becomes a list."""
    parts = []
    for paragraph in inspect.cleandoc(docstring).split("\n\n"):
        pieces = _pieces(" ".join(paragraph.split()), names)
        parts.append("\n".join(pieces) if len(pieces) > 1 else markdown(paragraph))
    return "\n\n".join(parts)


def _pieces(text: str, names: list[str]) -> list[str]:
    """The items of a paragraph that tells what names mean, with what follows them; one piece where it tells nothing."""
    name = "|".join(map(re.escape, names)) or "(?!)"
    starts = list(re.finditer(rf"(?:^|(?<=[.;)] ))((?:{name})(?:,? [^:.;]*?)?): ", text))
    if not starts:
        return [text]
    before = [plain(text[: starts[0].start()].strip()) + "\n"] if starts[0].start() else []
    ends = [*(each.start() for each in starts[1:]), len(text)]
    items = [(each[1], text[each.end() : end].strip(" ;")) for each, end in zip(starts, ends, strict=True)]
    last, rest = _last(items[-1][1])
    items[-1] = (items[-1][0], last)
    return [*before, *(f"- `{title}`: {plain(said)}" for title, said in items), *(["\n" + plain(rest)] if rest else [])]


def _last(said: str) -> tuple[str, str]:
    """What is told of the last name, and what is raised, which is told of none."""
    told_, raises, rest = said.partition("Raises ")
    return told_.strip(), (raises + rest).strip()


def signature(function: Callable[..., Any]) -> str:
    """As the source has it, a line a parameter where it is long."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    [node] = ast.parse(source).body
    assert isinstance(node, ast.FunctionDef)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    given = [part for part in _parameters(node.args) if part not in ("self", "cls")]
    line = f"{node.name}({', '.join(given)}){returns}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{node.name}(", *(f"    {part}," for part in given), f"){returns}"])


def _parameters(given: ast.arguments) -> Iterator[str]:
    plain = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [*[None] * (len(plain) - len(given.defaults)), *given.defaults]
    for argument, default in zip(plain, defaults, strict=True):
        yield _parameter(argument, default)
    if given.vararg:
        yield "*" + ast.unparse(given.vararg)
    elif given.kwonlyargs:
        yield "*"
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield _parameter(argument, default)
    if given.kwarg:
        yield "**" + ast.unparse(given.kwarg)


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    text = ast.unparse(argument)
    if default is None:
        return text
    return f"{text} = {ast.unparse(default)}" if argument.annotation else f"{text}={ast.unparse(default)}"


def _value(name: str, value: object) -> Iterator[str]:
    yield f"### lipcert.{name}"
    if not inspect.isclass(value):
        yield f"```python\n{value!r}\n```"
        return
    if issubclass(value, Enum):
        yield "One of " + ", ".join(f"`{each.name}` = {each.value!r}" for each in value) + "."
        return
    if not value.__doc__:
        raise ValueError(f"lipcert.{name} is public and has no docstring")
    yield f"```python\n{_fields(name, value)}\n```"
    fields = getattr(value, "__dataclass_fields__", None) or getattr(value, "_fields", ())
    yield told(value.__doc__, [*fields, *(name for name in vars(value) if not name.startswith("_"))])
    for member, thing in vars(value).items():
        yield from _member(name, member, thing)


def _fields(name: str, value: type) -> str:
    if dataclasses.is_dataclass(value):
        fields = [f"{each.name}: {_typed(each.type)}" for each in dataclasses.fields(value) if each.repr and each.init]
        line = f"{name}({', '.join(fields)})"
        return line if len(line) <= _WIDTH else "\n".join([f"{name}(", *(f"    {each}," for each in fields), ")"])
    if "_fields" in vars(value):
        return f"{name}({', '.join(value._fields)})"  # type: ignore[attr-defined]
    return f"class {name}"


def _typed(annotation: object) -> str:
    return inspect.formatannotation(annotation).replace("lipcert.", "") if annotation else ""


def _member(owner: str, name: str, thing: object) -> Iterator[str]:
    made = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
    if isinstance(made, property):
        made = made.fget
        if not name.startswith("_") and made.__doc__:
            yield f"`{owner}.{name}`"
            yield markdown(made.__doc__)
    elif inspect.isfunction(made) and not name.startswith("_") and made.__doc__:
        yield f"```python\n{owner}.{signature(made)}\n```"
        yield markdown(made.__doc__)
