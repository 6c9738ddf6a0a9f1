"""How token groups pass through an operation: the `groups` of the rules, one function a kind of operation.

Most operations keep every token to itself; then their l2 rule holds inside each group. An input whose groups do
not suit is grouped anew, which costs the root of the number of groups that meet in one.
"""

from collections.abc import Sequence

import numpy as np
from flint import arb

from lipcert.rules.groups import Groups, labelled, rows, whole
from lipcert.rules.types import Fact, Grouping, Node


def regroup(fact: Fact, groups: Groups) -> Fact:
    """The same value in other groups: |x|_g² is at most the sum over the old groups that meet in g."""
    assert fact.groups is not None
    meeting = arb(fact.groups.crowding(groups)).sqrt()
    return Fact(fact.gain * meeting, fact.reach, fact.size * meeting, groups)


def same(node: Node, groups: Sequence[Groups]) -> Grouping:
    """Every entry of the output comes from the entry at its place in the only input."""
    return groups, groups[0]


def alike(node: Node, groups: Sequence[Groups]) -> Grouping:
    """Every entry of the output comes from the entries at its place in inputs of one shape."""
    best = min(groups, key=lambda new: sum(old.crowding(new) for old in groups))
    return [best] * len(groups), best


def by_row(node: Node, groups: Sequence[Groups]) -> Grouping:
    """Rows along the last axis are mapped apart, so each has to lie in one group."""
    given = groups[0]
    needed = given if given.constant_along(-1) else rows(given.shape)
    return [needed], Groups(needed.labels, node.shape)


def reshaped(node: Node, groups: Sequence[Groups]) -> Grouping:
    return groups, labelled(groups[0].full.reshape(node.shape))


def moved(node: Node, groups: Sequence[Groups]) -> Grouping:
    """Entries keep the group that they had; constants are one group more."""
    tops = [int(part.labels.max()) + 1 for part in groups]
    joined = np.concatenate([part.full.reshape(-1) for part in groups])
    index = node.consts["index"].numpy()
    return groups, labelled(np.where(index < 0, max(tops), joined[index.clip(0)]))


def in_chunks(length: int, node: Node, groups: Sequence[Groups]) -> Grouping:
    """Runs of `length` consecutive entries are mapped apart; tokens that share one are joined."""
    runs = groups[0].full.reshape(-1, length)
    if bool((runs == runs[:, :1]).all()):
        return groups, Groups(groups[0].labels, node.shape)
    return [whole(groups[0].shape)], whole(node.shape)


def along(axis: int, node: Node, groups: Sequence[Groups]) -> Grouping:
    """Lines along an axis (counted from the end) are mapped apart."""
    given = groups[0]
    if not given.constant_along(axis):
        return [whole(given.shape)], whole(node.shape)
    kept = given.full.take([0], axis)
    labels = kept if node.shape == given.shape else kept.reshape(node.shape)
    return groups, labelled(np.broadcast_to(labels, node.shape))
