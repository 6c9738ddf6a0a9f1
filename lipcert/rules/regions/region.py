"""A region: the part of a graph between an entry and an exit, bounded as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from flint import arb

from lipcert.rules.table import RULES
from lipcert.rules.types import Node, Reach


@dataclass(frozen=True)
class Region:
    """Every path from `entry` to `exit` runs through `members`, which depend on nothing else.

    members: in topological order, the last one is `exit`; `entry` is not among them.
    """

    entry: str
    exit: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Whole:
    """What is proved of a region as a whole. gain: from entry to exit, in the groups that their facts have.

    size: a bound on the exit's groups, inf where the method gives none. paths: what the gain is made of, by name.
    """

    gain: arb
    size: arb = field(default_factory=lambda: arb("inf"))
    paths: Mapping[str, arb] = field(default_factory=dict)


def region_between(nodes: Mapping[str, Node], entry: str, exit_: str) -> Region | None:
    """The region, or None where `exit_` depends on something not through `entry`."""
    members: set[str] = set()
    stack = [exit_]
    while stack:
        name = stack.pop()
        if name == entry or name in members:
            continue
        if nodes[name].op == "input":
            return None
        members.add(name)
        stack.extend(nodes[name].inputs)
    ordered = tuple(name for name in nodes if name in members)
    return Region(entry, exit_, ordered) if ordered and entry != exit_ else None


def is_member(node: Node, reaches: Mapping[str, Reach]) -> bool:
    """Whether a node can stand inside a region: linear, a maximum, or entrywise with finite slopes."""
    rule = RULES.get(node.op)
    if rule is None:
        return False
    if rule.linear is not None or node.op == "extremum":
        return True
    return rule.slopes is not None and bool(np.isfinite(rule.slopes(node, reaches[node.inputs[0]])).all())


def bends(node: Node) -> bool:
    """Whether a member is a nonlinearity, and so brings variables of its own."""
    return RULES[node.op].linear is None
