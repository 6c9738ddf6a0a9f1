"""A page of the ways to bound a region as a whole, from METHODS and the proofs in their modules."""

from importlib import import_module

from generate.prose import beside, cell, markdown, plain
from lipcert.rules.regions import increments
from lipcert.rules.regions.table import METHODS, Method

PROOFS = {
    "multipliers": "multipliers",
    "midrad": "midrad",
    "matrix": None,
    "folded": None,
    "remainder": "remainder",
    "attention": "attention",
}
"""The module of lipcert.rules.regions whose docstring is the proof; None: comments in the method's function are."""


def pages() -> dict[str, str]:
    rows = [f"| [{name}](#{name}) | {_norm(method)} | {cell(method.source)} |" for name, method in METHODS.items()]
    text = [
        "# Regions",
        "A part of the graph between an entry and an exit may move less than the product of its steps. Each method "
        "below bounds such a region as a whole; of all that apply, the smallest number counts.",
        "| method | norm | |\n|---|---|---|\n" + "\n".join(rows),
        "## What they share",
        markdown(increments.__doc__ or ""),
        *(_section(name, method) for name, method in METHODS.items()),
    ]
    return {"theory/regions.md": "\n\n".join(text) + "\n"}


def _norm(method: Method) -> str:
    if method.by_token:
        return "of each token"
    return "l2, and of each token where all are mapped alike" if method.norm == 2 else "linf"


def _section(name: str, method: Method) -> str:
    """Raises ValueError where nothing is argued beside the code."""
    module = PROOFS[name]
    texts = [import_module(f"lipcert.rules.regions.{module}").__doc__ or ""] if module else beside(method.prove)
    if not any(text.strip() for text in texts):
        raise ValueError(f"the method {name!r} has no theorem")
    return "\n\n".join([f"## {name}", f"**{plain(method.source)}**", *map(markdown, texts)])
