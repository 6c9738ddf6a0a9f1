"""What the rows share: their input, constants of several shapes, and views with fewer or more axes."""

from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]
SHAPE = (1, 4, 6, 6)

aten = torch.ops.aten

_generator = torch.Generator().manual_seed(0)


def normal(*shape: int) -> Tensor:
    """Weights, the same ones every time."""
    return torch.randn(shape, generator=_generator, dtype=torch.float64)


def positive(x: Tensor) -> Tensor:
    return x.abs() + 0.1


MATRIX, SQUARE, VECTOR, CHANNELS = normal(3, 6), normal(6, 6), normal(6), normal(4, 1, 1)
WIDE, CUBE, POINT = normal(2, 144), normal(6, 6, 2), normal(3, 2, 1, 1)
SCALES, SHIFTS, MEANS, VARIANCES = normal(4), normal(4), normal(4), normal(4).abs() + 0.5
MASK = torch.eye(6) > 0
INFINITE = torch.zeros(6, 6, dtype=torch.float64).masked_fill(torch.ones(6, 6).triu(2) > 0, -torch.inf)
INTEGERS = torch.tensor([1, 2, 3, 4, 5, 6])
LINE1, LINE2, LINE3 = normal(2, 4, 3), normal(2, 4, 3, 3), normal(2, 4, 1, 3, 3)
GROUPED, EVEN = normal(6, 2, 3, 2), normal(2, 4, 2, 4)
BACK1, BACK2, BACK3 = normal(4, 2, 3), normal(4, 2, 3, 3), normal(4, 2, 1, 3, 3)


def line(x: Tensor) -> Tensor:
    """One spatial axis: (1, 4, 6)."""
    return x.select(2, 0)


def space(x: Tensor) -> Tensor:
    """Three spatial axes: (1, 4, 1, 6, 6)."""
    return x.unsqueeze(2)


def two_items(x: Tensor) -> Tensor:
    """The batch axis holds half of the channels, as after a reshape inside a network."""
    return x.reshape(2, 2, 6, 6)
