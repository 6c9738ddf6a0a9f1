"""FGSM and PGD: steps along the gradient of the cross entropy, in any of the norms."""

import math

import torch
from torch import Tensor

from lipcert.attacks.ball import Ball
from lipcert.attacks.batch import Batch
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.loss import cross_entropy
from lipcert.attacks.target import Target


def fgsm(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    """One step of length eps (Goodfellow et al. 2015); (batch, *shape) → the same. Of effort nothing is used."""
    _, _, gradient = target.gradient(x, y, cross_entropy)
    ball = Ball.of(budget, x)
    return ball.fit(x + budget.radius * ball.uphill(gradient))


def pgd(
    target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws, *, momentum: float = 0.0
) -> Tensor:
    """Projected gradient steps from random starts (Madry et al. 2018), shrinking from eps to 0 along a cosine.

    Steps go along the steepest direction in the norm; an example leaves as soon as it is fooled.
    momentum: how much of the gradients before is kept, each divided by its mean absolute entry (Dong et al. 2018).
    """
    found, batch = x.clone(), Batch.of(target, x, y, budget, generator)
    for restart in range(effort.restarts):
        batch = batch.unfooled(found) if restart else batch
        batch = _climb(batch, found, effort.steps, momentum)
    return Ball.of(budget, x).fit(found)


def _climb(batch: Batch, found: Tensor, steps: int, momentum: float) -> Batch:
    """One start. Puts the first point that fools each row into `found`, or the last point; returns the rows left."""
    z = batch.ball.random(batch.draws)
    velocity = torch.zeros_like(z)
    for step in range(steps if len(batch) else 0):
        logits, _, gradient = batch.target.gradient(z, batch.y, cross_entropy)
        left = batch.leave(found, z, logits)
        if not left.all():
            batch, z, gradient, velocity = batch.select(left), z[left], gradient[left], velocity[left]
        if not len(batch):
            return batch
        if momentum:
            gradient = velocity = momentum * velocity + _scaled(gradient)
        size = (
            batch.ball.budget.radius * (1 + math.cos(math.pi * step / steps)) / 2
        )  # long first steps: many leave soon
        z = batch.ball.project(z + size * batch.ball.uphill(gradient))
    found[batch.rows] = z
    return batch


def _scaled(gradient: Tensor) -> Tensor:
    each = gradient.abs().flatten(1).mean(1).clamp_min(1e-30)
    return gradient / each.reshape(-1, *[1] * (gradient.dim() - 1))
