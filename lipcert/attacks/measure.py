"""Measuring again what an attack returned: nothing of it is trusted."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lipcert.attacks.ball import Ball
from lipcert.attacks.budget import Budget
from lipcert.attacks.loss import fooled, margin
from lipcert.attacks.target import Target

NOT_TRIED, FAILED, FOOLED, REJECTED = range(4)
"""What an attack at an eps did to an example. Not tried: wrong to begin with, or fooled before."""

REASONS = ("wrong type or shape", "NaN or infinity", "outside the norm", "outside the range", "moved a fixed position",
           "the network returns NaN there")  # fmt: skip
"""Why a returned input is rejected; a verdict holds the number of the reason."""

SHAPE, NAN, NORM, RANGE, FIXED, LOGITS = range(len(REASONS))
ACCEPTED = -1


@dataclass(frozen=True)
class Verdict:
    """For each row: what was measured of the point that the attack returned.

    points: the points themselves, moved by no more than rounding; x where they are rejected.
    size: (batch,) float64, |point - x| in the norm. fooled: (batch,) bool, by the network in its own type.
    margin: (batch,), there. reason: (batch,) int64, ACCEPTED or the number of one of REASONS.
    """

    points: Tensor
    size: Tensor
    fooled: Tensor
    margin: Tensor
    reason: Tensor


def judge(target: Target, x: Tensor, y: Tensor, budget: Budget, returned: object) -> Verdict:
    """Norm and range in float64, success by the network as it is deployed; what is outside the budget is rejected.

    x, y: the harness's own copies. A point that rounding in its type puts outside is moved in and then judged.
    """
    if not isinstance(returned, Tensor) or returned.shape != x.shape or returned.dtype != x.dtype:
        return _verdict(target, x, y, budget, x, torch.full((len(x),), SHAPE, device=x.device))
    points = returned.detach().to(x.device).clone()
    reason = torch.full((len(x),), ACCEPTED, device=x.device)
    bad = ~points.flatten(1).isfinite().all(1)
    points[bad], reason[bad] = x[bad], NAN
    inside = _moved_in(x, points, budget)
    for number, broken in _broken(x, inside, budget).items():
        reason[broken & (reason == ACCEPTED)] = number
    rejected = reason != ACCEPTED
    inside[rejected] = x[rejected]
    return _verdict(target, x, y, budget, inside, reason)


def _verdict(target: Target, x: Tensor, y: Tensor, budget: Budget, points: Tensor, reason: Tensor) -> Verdict:
    with torch.no_grad():
        logits = target(points)
    no_number = logits.isnan().flatten(1).any(1)
    reason = torch.where(no_number & (reason == ACCEPTED), LOGITS, reason)
    size = budget.norm.of(points.double() - x.double())
    return Verdict(points, size, fooled(logits, y) & (reason == ACCEPTED), margin(logits, y), reason)


def _moved_in(x: Tensor, points: Tensor, budget: Budget) -> Tensor:
    """Points that are outside by a few units in the last place, and no more, are put inside."""
    slack = 4 * torch.finfo(x.dtype).eps * torch.maximum(points.abs(), x.abs())
    inside = Ball.of(budget, x).fit(points)
    near = budget.norm.of(inside.double() - points.double()) <= budget.norm.of(slack.double())
    return torch.where(near.reshape(-1, *[1] * (x.dim() - 1)), inside, points)


def _broken(x: Tensor, points: Tensor, budget: Budget) -> dict[int, Tensor]:
    """Which rows break which condition, in float64."""
    low, high = budget.range_in(x.dtype)
    move = points.double() - x.double()
    fixed = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    if budget.positions is not None:
        fixed = (move[..., ~budget.positions.to(x.device), :] != 0).flatten(1).any(1)
    return {
        FIXED: fixed,
        RANGE: ~((points >= low) & (points <= high)).flatten(1).all(1),
        NORM: ~(budget.norm.of(move) <= budget.radius),
    }
