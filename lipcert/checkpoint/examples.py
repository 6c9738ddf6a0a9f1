"""Example inputs: a network is captured on one input, whose shapes then belong to the claim."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lipcert.checkpoint import memory
from lipcert.errors import UsageError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Ids:
    """Token ids of a shape without the batch: (256,) for a sequence of 256."""

    shape: Shape


def from_shapes(inputs: Sequence[Shape | Ids]) -> tuple[Tensor, ...]:
    """One input a shape, always the same. A shape has no batch: (1, 28, 28).

    float32, uniform in [0, 1); for `Ids` int64 zeros, as nobody knows yet which other ids there are.
    Raises UsageError for a shape that is no shape, ResourceError for one that does not fit into memory.
    """
    for given in inputs:
        shape, size = (given.shape, 8) if isinstance(given, Ids) else (given, 4)
        if any(size < 1 for size in shape):
            raise UsageError(f"--input {','.join(map(str, shape))} has a size below 1", hint="Write --input 1,28,28.")
        memory.require(size * math.prod(shape), f"an input of shape {shape}")
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.zeros(1, *given.shape, dtype=torch.int64)
        if isinstance(given, Ids)
        else torch.rand(1, *given, generator=generator)
        for given in inputs
    )


def like(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """`inputs` in the floating-point dtype of the module; integer inputs (tokens) as they are."""
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    return tuple(x.detach().to(dtype) if x.is_floating_point() else x.detach() for x in inputs)
