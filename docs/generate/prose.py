"""Docstrings and comments of the source as Markdown: their words are kept, their signs are no markup."""

import inspect
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

_CODE = re.compile(r"(`[^`]+`)")
_SIGNS = re.compile(r"([\\*_<>\[\]{}|#~$^!])")
_EMPHASIS = re.compile(r"(?<![\w\\*])\*(\w[\w ]*)\*(?!\w)")
_NO_THEOREM = ("noqa", "type:", "fmt:")


def markdown(text: str) -> str:
    """Paragraphs as paragraphs; lines that stand further in are formulas and keep their form."""
    parts = []
    for formula, lines in _runs(_sign(inspect.cleandoc(text)).splitlines()):
        if formula:
            parts.append("\n".join(["```text", *_dedented(lines), "```"]))
        else:
            parts.append(plain(" ".join(line.strip() for line in lines)))
    return "\n\n".join(parts)


def plain(text: str) -> str:
    """One paragraph whose signs are no markup, except `code` and *emphasis*."""
    return "".join(
        part if part.startswith("`") else _escaped(part) for part in _CODE.split(text.replace("``", "`")) if part
    )


def cell(text: str) -> str:
    """The same for a cell of a table."""
    return plain(text).replace("\n", " ")


def _escaped(text: str) -> str:
    marked = _EMPHASIS.sub("\x00\\1\x00", _sign(text))
    return _SIGNS.sub(r"\\\1", marked).replace("\x00", "*")


def _sign(text: str) -> str:
    return text.replace("<=", "≤").replace(">=", "≥")


def _runs(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """(formula?, lines) for every run of lines of one kind, cut at empty lines."""
    run: list[str] = []
    kind = False
    for line in [*lines, ""]:
        formula = line.startswith("  ")
        if run and (not line.strip() or formula != kind):
            yield kind, run
            run = []
        if line.strip():
            run, kind = [*run, line], formula
    if run:
        yield kind, run


def _dedented(lines: list[str]) -> list[str]:
    least = min(len(line) - len(line.lstrip()) for line in lines)
    return [line[least:] for line in lines]


def comments(function: Callable[..., Any]) -> list[str]:
    """The blocks of whole-line comments in a function's source."""
    source = inspect.getsource(inspect.unwrap(function))
    blocks: list[list[str]] = []
    last = -1
    for token in tokenize.generate_tokens(io.StringIO(inspect.cleandoc("\n" + source) + "\n").readline):
        alone = token.line.strip().startswith("#")
        if token.type != tokenize.COMMENT or not alone or any(word in token.string for word in _NO_THEOREM):
            continue
        if token.start[0] != last + 1:
            blocks.append([])
        blocks[-1].append(token.string.removeprefix("#").removeprefix(" "))
        last = token.start[0]
    return ["\n".join(block) for block in blocks]


def helpers(function: Callable[..., Any]) -> list[FunctionType]:
    """The function and all those of its own module that it calls, in the order of their first use."""
    found: list[FunctionType] = []
    waiting = [inspect.unwrap(function)]
    while waiting:
        here = waiting.pop(0)
        if not isinstance(here, FunctionType) or here in found:
            continue
        found.append(here)
        named = (here.__globals__.get(name) for name in _names(here.__code__))
        called = (inspect.unwrap(each) for each in named if callable(each))
        waiting += [each for each in called if getattr(each, "__module__", "") == here.__module__]
    return found


def _names(code: Any) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from _names(constant)


def beside(function: Callable[..., Any]) -> list[str]:
    """What is argued beside the code of a function, and of those that it calls in its module: comments, docstrings.

    Of a helper that argues nothing, only what it bounds is told.
    """
    texts = []
    for number, each in enumerate(helpers(function)):
        argued, said = comments(each), each.__doc__ or ""
        if said and (argued or number == 0 or "bound" in said or "<=" in said):
            texts.append(said)
        texts += argued
    return [inspect.cleandoc(text) for text in texts]


def body(docstring: str | None) -> str:
    """A module's docstring without its first paragraph, which names the file."""
    return inspect.cleandoc(docstring or "").partition("\n\n")[2]
