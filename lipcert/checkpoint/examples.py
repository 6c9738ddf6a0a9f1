"""Example inputs: a network is captured on one input, whose shapes then belong to the claim."""

import math

import torch
from torch import Tensor, nn

from lipcert.checkpoint import memory
from lipcert.errors import UsageError

Shape = tuple[int, ...]


def from_shapes(shapes: list[Shape]) -> tuple[Tensor, ...]:
    """One float32 input a shape, uniform in [0, 1), always the same. A shape has no batch: (1, 28, 28).

    Raises UsageError for a shape that is no shape, ResourceError for one that does not fit into memory.
    """
    for shape in shapes:
        if any(size < 1 for size in shape):
            raise UsageError(f"--input {','.join(map(str, shape))} has a size below 1", hint="Write --input 1,28,28.")
        memory.require(4 * math.prod(shape), f"an input of shape {shape}")
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(1, *shape, generator=generator) for shape in shapes)


def like(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """`inputs` in the floating-point dtype of the module; integer inputs (tokens) as they are."""
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    return tuple(x.detach().to(dtype) if x.is_floating_point() else x.detach() for x in inputs)
