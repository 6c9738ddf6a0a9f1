"""A page of norms: which there are, and how that of a weight is proved."""

import inspect
from types import FunctionType, ModuleType
from typing import TypeGuard

from generate.prose import body, cell, comments, markdown
from lipcert.norms import ball, bilinear, conv, dense, symbol
from lipcert.norms.norm import NORMS

PROOFS = {
    "Matrices": dense,
    "Convolutions": conv,
    "Convolutions by frequency": symbol,
    "Bilinear forms": bilinear,
    "Scalars": ball,
}


def pages() -> dict[str, str]:
    text = [
        "# Norms",
        "| norm | of a tensor |\n|---|---|\n" + "\n".join(f"| `{name}` | {_words(name)} |" for name in NORMS),
        *(_section(title, module) for title, module in PROOFS.items()),
    ]
    return {"theory/norms.md": "\n\n".join(text) + "\n"}


def _words(name: str) -> str:
    norm = NORMS[name]
    inner = "the largest entry" if norm.inner == "inf" else "the Euclidean norm"
    if not norm.by_token:
        return inner + ("" if norm.inner == "inf" else " of all entries")
    mean = ", divided by the root of its length" if norm.rms else ""
    return f"{inner} of the longest token, a row along the last axis{mean}"


def _section(title: str, module: ModuleType) -> str:
    """The proof that a module opens with, and its functions: those that argue more than a line in full."""
    own = [each for each in vars(module).values() if _is_of(each, module)]
    argued = [each for each in own if comments(each) or body(each.__doc__)]
    short = [each for each in own if each not in argued and each.__doc__ and not each.__name__.startswith("_")]
    rows = [f"| `{each.__name__}` | {cell(each.__doc__ or '')} |" for each in short]
    table = ["| function | |\n|---|---|\n" + "\n".join(rows)] if rows else []
    parts = [f"## {title}", f"`{module.__name__.replace('.', '/')}.py`", markdown(module.__doc__ or "")]
    return "\n\n".join([*parts, *map(_argued, argued), *table])


def _argued(function: FunctionType) -> str:
    return "\n\n".join(
        [f"### {function.__name__.lstrip('_')}", *map(markdown, [function.__doc__ or "", *comments(function)])]
    )


def _is_of(thing: object, module: ModuleType) -> TypeGuard[FunctionType]:
    return inspect.isfunction(thing) and thing.__module__ == module.__name__
