"""Work on stacks of matrices, shared among the processes that train together."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


class Stack(NamedTuple):
    """Weights of equal shape and scale, and the direction in which each is to be moved."""

    weights: list[Tensor]
    directions: list[Tensor]
    scale: float

    def of(self, places: Sequence[int]) -> "Stack":
        """The matrices at these places."""
        return Stack([self.weights[i] for i in places], [self.directions[i] for i in places], self.scale)


def share(stacks: Sequence[Stack], move: Callable[[Stack], None]) -> None:
    """`move` changes the weights of a stack in place: each matrix in one process, which sends it to the others."""
    world = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    if world == 1:
        for stack in stacks:
            move(stack)
        return
    owners = assign([_cost(weight) for stack in stacks for weight in stack.weights], world)
    for stack, mine in _shares(stacks, owners, dist.get_rank()):
        move(stack.of(mine))
    _exchange([weight for stack in stacks for weight in stack.weights], owners, world)


def assign(costs: Sequence[float], world: int) -> list[int]:
    """The process that takes each item: the dearest first, to the one that has least to do."""
    owners, loads = [0] * len(costs), [0.0] * world
    for item in sorted(range(len(costs)), key=lambda item: -costs[item]):
        owners[item] = loads.index(min(loads))
        loads[owners[item]] += costs[item]
    return owners


def _cost(weight: Tensor) -> float:
    """Products with the Gram matrix of the shorter side."""
    rows, columns = len(weight), weight.numel() // len(weight)
    return float(rows * columns * min(rows, columns))


def _shares(stacks: Sequence[Stack], owners: Sequence[int], rank: int) -> list[tuple[Stack, list[int]]]:
    """Every stack of which this process has some matrices, and which."""
    shares, first = [], 0
    for stack in stacks:
        mine = [place for place in range(len(stack.weights)) if owners[first + place] == rank]
        first += len(stack.weights)
        if mine:
            shares.append((stack, mine))
    return shares


def _exchange(weights: Sequence[Tensor], owners: Sequence[int], world: int) -> None:
    for rank in range(world):
        theirs = [weight for weight, owner in zip(weights, owners, strict=True) if owner == rank]
        if theirs:
            flat = torch.cat([weight.flatten() for weight in theirs])
            dist.broadcast(flat, src=rank)
            parts = torch.split(flat, [weight.numel() for weight in theirs])
            torch._foreach_copy_(theirs, [part.view_as(weight) for part, weight in zip(parts, theirs, strict=True)])
