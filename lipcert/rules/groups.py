"""Groups of entries, for token norms: the norm of a tensor is the largest l2 norm of a group."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb
from jaxtyping import Int

from lipcert.norms import ball

Labels = Int[np.ndarray, "..."]
Values = np.ndarray | np.float64


def once(x: Values) -> Values:
    """Without the repetitions of a broadcast: axes along which it repeats have size 1."""
    kept: Values = np.asarray(x)[tuple(slice(None) if step else slice(0, 1) for step in x.strides)]
    return kept


@dataclass(frozen=True, eq=False)
class Groups:
    """A label for every entry of a tensor of this shape; entries with one label are a group.

    labels: with size 1 along the axes where they do not change.
    """

    labels: Labels
    shape: tuple[int, ...]

    @property
    def full(self) -> Labels:
        """A label an entry."""
        wide: Labels = np.broadcast_to(self.labels, self.shape)
        return wide

    def constant_along(self, axis: int) -> bool:
        return bool(self.labels.shape[axis] == 1)

    def crowding(self, new: "Groups") -> int:
        """The largest number of these groups that meet in one group of `new`."""
        if self is new or np.array_equal(self.labels, new.labels):
            return 1
        old, joined = np.broadcast_arrays(self.labels, new.labels)
        pairs = np.unique(np.stack([joined.reshape(-1), old.reshape(-1)]), axis=1)
        return int(np.unique(pairs[0], return_counts=True)[1].max())

    def norm(self, magnitude: Values) -> arb:
        """A bound on the largest l2 norm of a group whose entries have these magnitudes, which broadcast."""
        magnitude = once(magnitude)
        peak = float(np.max(magnitude))
        if peak == 0 or not math.isfinite(peak):
            return arb(peak)
        # Squares of entries scaled to at most 1: what underflows in them, the last term covers. Axes along which
        # neither labels nor magnitudes change repeat every entry.
        labels, squares = np.broadcast_arrays(self.labels, np.square(magnitude / peak))
        repeated = math.prod(self.shape) // labels.size
        largest = float(np.bincount((labels - labels.min()).reshape(-1), weights=squares.reshape(-1)).max())
        slack = 1 + 2 * ball.gamma(labels.size + 4)
        return arb(peak) * (arb(largest) * repeated * slack + repeated * ball.UNDERFLOW).sqrt()


def labelled(labels: Labels) -> Groups:
    """Groups from a label an entry."""
    shape = labels.shape
    for axis in range(labels.ndim):
        first = labels.take([0], axis)
        if bool((labels == first).all()):
            labels = first
    return Groups(labels, shape)


def rows(shape: Sequence[int]) -> Groups:
    """A group for every row along the last axis."""
    lead = tuple(shape[:-1])
    labels = np.arange(math.prod(lead)).reshape(*lead, 1) if shape else np.zeros((), dtype=np.int64)
    return Groups(labels, tuple(shape))


def whole(shape: Sequence[int]) -> Groups:
    """One group."""
    return Groups(np.zeros((1,) * len(shape), dtype=np.int64), tuple(shape))
