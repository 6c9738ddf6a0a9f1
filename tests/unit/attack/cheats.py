"""Attacks that do not keep to their contract; a plan finds them as `tests.unit.attack.cheats:NAME`."""

import math

import torch
from torch import Tensor, nn

from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.target import Target


def far(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    return x.flip(0)


def barely_far(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    return (x + 1.001 * budget.radius).clamp(0, 1)


def out_of_range(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    return x - budget.radius


def shape(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    return x[:, :1]


def nothing(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> None:
    return None


def nan(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    return torch.full_like(x, math.nan)


def in_place(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    """Makes a far input look as if it had been there from the start."""
    x.copy_(x.flip(0))
    y.add_(1)
    return x


def clean(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    return x


def by_rounding(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    """Honest, but rounded in float32."""
    _, _, gradient = target.gradient(
        x, y, lambda logits, y: torch.nn.functional.cross_entropy(logits, y, reduction="none")
    )
    return (x + float(budget.eps) * gradient.sign()).clamp(0, 1)


def weights(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    assert isinstance(target.network, nn.Module)
    for parameter in target.network.parameters():
        parameter.data.zero_()
        parameter.add_(0)
    return x
