"""A page of theory for each rule, from RULES, the comments beside its code, and the operations that reach it."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from generate.prose import beside, body, cell, comments, helpers, markdown, plain
from generate.reached import reached
from lipcert.graph.lowering.table import LOWER
from lipcert.rules.table import RULES
from lipcert.rules.types import Rule, together

ROOT = Path(__file__).parents[2]
FUSED = {
    "mix": "graph/fuse/mix.py finds it: sums of scaled entries of one node, such as rotary positions in any spelling.",
    "centre": "graph/fuse/norms.py finds it: x - mean(x), however it is written.",
}


def pages() -> dict[str, str]:
    by_rule: defaultdict[str, list[str]] = defaultdict(list)
    for operation, found in reached().items():
        for name in found:
            by_rule[name].append(operation)
    made = {f"theory/{name}.md": page(name, rule, by_rule[name]) for name, rule in RULES.items()}
    return made | {"theory/index.md": index()}


def page(name: str, rule: Rule, operations: list[str]) -> str:
    """Raises ValueError where nothing is argued beside the code."""
    gain = inspect.unwrap(rule.gain)
    if not rule.source or not any(comments(each) for each in helpers(gain)):
        raise ValueError(f"the rule {name!r} has no theorem: `source`, or the inequality as a comment in its `gain`")
    parts = [f"# {name}", f"**{plain(rule.source)}**", _facts(rule)]
    module = inspect.getmodule(gain)
    parts += [markdown(body(module.__doc__))] if module and body(module.__doc__) else []
    parts += _section("Gain", rule.gain)
    parts += _section("Values", rule.reach) if _here(rule.reach, gain) else []
    parts += _section("Size of a group of entries", rule.size) if rule.size else []
    parts += _section("Norm of the absolute weights", rule.linear.absolute_norm) if rule.linear else []
    parts += [_reached_by(name, operations), _code(gain)]
    return "\n\n".join(parts) + "\n"


def _facts(rule: Rule) -> str:
    rows = {
        "file": f"`{_file(rule.gain)}`",
        "finite": plain(rule.needs) if rule.needs else "on every domain",
        "in a region bounded as a whole": _in_a_region(rule),
        "tokens": _tokens(rule),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items())])


def _in_a_region(rule: Rule) -> str:
    if rule.linear:
        return "as a linear map"
    return "by its slopes" if rule.slopes else "not by itself"


def _here(function: Callable[..., Any], gain: FunctionType) -> bool:
    """Whether it belongs to the rule, not to all of its kind."""
    return inspect.unwrap(function).__module__ == gain.__module__


def _tokens(rule: Rule) -> str:
    if rule.groups is together:
        return "all of them are joined in one group"
    return "each is bounded on its own, or with those that it is mixed with"


def _section(title: str, function: Callable[..., Any]) -> list[str]:
    texts = beside(function)
    return [f"## {title}", *(markdown(text) for text in texts)] if texts else []


def _reached_by(name: str, operations: list[str]) -> str:
    if name == "entrywise":
        return "## Functions\n\n[Each function](functions.md) has its own theorem, slopes and picture."
    lines = [f"`{operation}`" for operation in operations]
    text = ", ".join(lines) if lines else ""
    return "## Exported operations that reach it\n\n" + " ".join(filter(None, [FUSED.get(name, ""), text]))


def _code(function: FunctionType) -> str:
    place = f"../../../{_file(function)}"
    return f"## The code\n\n```{{literalinclude}} {place}\n:pyobject: {function.__name__}\n```"


def _file(function: Callable[..., Any]) -> str:
    return str(Path(inspect.getfile(inspect.unwrap(function))).relative_to(ROOT))


def index() -> str:
    rows = [f"| [{name}]({name}.md) | {cell(rule.source)} |" for name, rule in RULES.items()]
    kinds = {
        "functions": "entrywise functions: slopes and ranges",
        "regions": "parts of a network that are bounded as a whole",
        "norms": "proofs of the norms of weights",
        "training": "constraints of training, and what each guarantees",
    }
    text = [
        "# Theory",
        "Every core operation has a rule: an inequality that bounds how far its output moves, and where its values "
        "lie. The pages are made from the tables and comments of the source, so they say what the code does.",
        "| core operation | what is proved of it |\n|---|---|\n" + "\n".join(rows),
        "Beside the rules:",
        "\n".join(f"- [{title}]({name}.md)" for name, title in kinds.items()),
        _operations(),
        "```{toctree}\n:hidden:\n\n" + "\n".join([*RULES, *kinds]) + "\n```",
    ]
    return "\n\n".join(text) + "\n"


def _operations() -> str:
    found: Mapping[str, list[str]] = reached()
    rows = [f"| `{name}` | {_links(found[name])} |" for name in LOWER if name != "getitem"]
    return "## Exported operations\n\n| operation | becomes |\n|---|---|\n" + "\n".join(rows)


def _links(names: list[str]) -> str:
    return ", ".join(f"[{name}]({name}.md)" for name in names) or "nothing: the same values"
