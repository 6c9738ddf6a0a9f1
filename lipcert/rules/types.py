"""What a rule is: a core operation, what is known of its inputs, and what it proves of its output."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from flint import arb
from jaxtyping import Float
from torch import Tensor

from lipcert.norms.conv import Conv
from lipcert.norms.dense import Matrix
from lipcert.norms.norm import Norm
from lipcert.rules.groups import Groups, whole

Array = Float[np.ndarray, "..."] | np.float64
"""Of any shape; numpy turns results without axes into scalars."""


@dataclass(frozen=True)
class Node:
    """One core operation of a captured network, for a batch of one.

    name: unique in its graph. op: a key of RULES. inputs: names of earlier nodes.
    attrs: JSON values that fix the operation. consts: weights, buffers and index maps.
    shape: of the output, with the leading batch axis of 1. path: the module it comes from.
    target: the exported operation it was lowered from.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    consts: Mapping[str, Tensor] = field(default_factory=dict)
    path: str = ""
    target: str = ""

    @property
    def size(self) -> int:
        """Number of entries of the output."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Reach:
    """The values a tensor can take: entrywise lo <= x <= hi, infinite where nothing is known.

    lo, hi: float64, of the node's shape, or of a shape that broadcasts to it.
    """

    lo: Array
    hi: Array

    def __post_init__(self) -> None:
        if not bool(np.all(self.lo <= self.hi)):
            raise ValueError("a reach needs lo <= hi everywhere, and no NaN")

    def over(self, shape: tuple[int, ...]) -> "Reach":
        """The same, of this shape."""
        return Reach(np.broadcast_to(self.lo, shape), np.broadcast_to(self.hi, shape))

    @property
    def magnitude(self) -> Array:
        """Entrywise bound on |x|."""
        size: Array = np.maximum(np.abs(self.lo), np.abs(self.hi))
        return size

    @property
    def bounded(self) -> bool:
        return bool(np.isfinite(self.lo).all() and np.isfinite(self.hi).all())


@dataclass(frozen=True)
class Fact:
    """What is proved of a node: |Δ node|_g <= gain · |Δ source| for every group g, and where its values lie.

    size: |node|_g <= size for every group g, in l2; known in token norms only.
    groups: None in a flat norm, where all entries are one group.
    """

    gain: arb
    reach: Reach
    size: arb = field(default_factory=lambda: arb("inf"))
    groups: Groups | None = None


@runtime_checkable
class Prover(Protocol):
    """Supplies proved operator norms: by searching for a witness, or from a stored one.

    key: the node's name, or `entry → exit by method` for a region; a witness is stored under it.
    """

    def spectral(self, key: str, matrix: Matrix) -> arb:
        """An upper bound of the largest singular value of `matrix`, or of every matrix of a stack."""
        ...

    def conv(self, key: str, conv: Conv) -> arb:
        """An upper bound of the l2 operator norm of a convolution."""
        ...


@dataclass(frozen=True)
class Linear:
    """The linear part of an operation, for regions that are bounded as a whole.

    apply(node, inputs, absolute): the operation without its offset on float64 batches
        (columns of a matrix, one a batch item), with |weights| in place of weights if `absolute`.
    terms(node): the longest sum of products behind one entry.
    absolute_norm(node): a bound on the l2 norm of the operation with |weights|.
    """

    apply: Callable[[Node, Sequence[Tensor], bool], Tensor]
    terms: Callable[[Node], int]
    absolute_norm: Callable[[Node], arb]


Grouping = tuple[Sequence[Groups], Groups]
"""The groups that a rule needs its inputs in, and those of its output."""


def together(node: Node, groups: Sequence[Groups]) -> Grouping:
    """All entries of every input in one group, and all of the output: the flat norm."""
    return [whole(part.shape) for part in groups], whole(node.shape)


@dataclass(frozen=True)
class Rule:
    """What is known of one core operation.

    forward(node, inputs): float64 tensors with a leading batch axis of any length.
    reach(node, reaches): encloses the output, given enclosures of the inputs.
    gain(node, norm, facts, prover): the output's gain from the source; None where no bound
        is known in this norm on this reach.
    slopes(node, reach): for entrywise functions, bounds on every secant slope.
    groups(node, groups): for token norms: groups of the inputs and of the output between which the l2 gain holds,
        |Δy|_g <= gain for every group g of the output where |Δx_k|_g <= facts[k].gain for every one of x_k.
    size(node, facts): a bound on |y|_g for every such group, from those of the inputs; None where only the
        reach gives one. Linear operations need none: theirs is that of their gain.
    needs: what a domain has to give where `gain` is None, in words.
    source: the theorem.
    """

    forward: Callable[[Node, Sequence[Tensor]], Tensor]
    reach: Callable[[Node, Sequence[Reach]], Reach]
    gain: Callable[[Node, Norm, Sequence[Fact], Prover], arb | None]
    source: str
    linear: Linear | None = None
    slopes: Callable[[Node, Reach], tuple[Array, Array]] | None = None
    groups: Callable[[Node, Sequence[Groups]], Grouping] = together
    size: Callable[[Node, Sequence[Fact]], arb] | None = None
    needs: str = ""
