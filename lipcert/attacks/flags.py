"""Signs that a network hides its gradients, so that attacks look weaker than attackers are.

After the checks of AutoAttack (Croce and Hein 2020, github.com/fra31/auto-attack, flags_doc.md) and the list of
Athalye, Carlini and Wagner 2018, section 3.1. A flag proves nothing; it says what to look at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.gradient import fgsm, pgd
from lipcert.attacks.loss import cross_entropy, fooled
from lipcert.attacks.measure import FAILED, FOOLED
from lipcert.attacks.target import Target
from lipcert.errors import UnsupportedError

BLACK_BOX = frozenset({"square", "torchattacks:Square"})
"""Attacks that use no gradients."""

_MANY_ZERO = 0.05
_BETTER = 0.002  # of the examples: AutoAttack's threshold for Square
_SAME = 1e-5


@dataclass(frozen=True)
class Flag:
    """name: of the kind of flag. sentence: what was seen, and what to do."""

    name: str
    sentence: str


def probe(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, seed: int) -> tuple[Flag, ...]:
    """What a few examples show, (batch, *shape), all classified as labelled: two passes, a gradient, FGSM and PGD."""
    with torch.no_grad():
        first, second = target(x), target(x)
    found = [_random(first, second), _probabilities(first)]
    try:
        found += [_zero(target, x, y), _steps(target, x, y, budget, effort, seed)]
    except UnsupportedError:
        found.append(Flag("no-gradient", "The network has no gradients: only attacks without gradients count here."))
    return tuple(flag for flag in found if flag)


def compared(outcome: Tensor, right: Tensor, attacks: Sequence[str], eps: Sequence[Fraction]) -> tuple[Flag, ...]:
    """What the outcomes of a run show, (eps, attacks, examples)."""
    return tuple(flag for flag in (_black_box(outcome, attacks), _radius(outcome, right, eps)) if flag)


def _random(first: Tensor, second: Tensor) -> Flag | None:
    if bool((first - second).abs().max() <= _SAME * first.abs().max()):
        return None
    return Flag(
        "random",
        "Two passes of the same inputs differ: the network draws random numbers, and a single attack understates what "
        "an attacker reaches who averages over them.",
    )


def _probabilities(logits: Tensor) -> Flag | None:
    if not bool((logits >= 0).all() and ((logits.sum(-1) - 1).abs() < _SAME).all()):
        return None
    return Flag(
        "probabilities",
        "The outputs look like probabilities: attack the logits before the softmax, whose gradients do not vanish.",
    )


def _zero(target: Target, x: Tensor, y: Tensor) -> Flag | None:
    _, _, gradient = target.gradient(x, y, cross_entropy)
    zero = (gradient == 0).flatten(1).all(1)
    if not float(zero.double().mean()) > _MANY_ZERO:
        return None
    return Flag(
        "zero-gradients",
        f"The gradient is exactly 0 on {int(zero.sum())} of {len(x)} examples: attacks that follow it go nowhere, so "
        "add apgd-dlr or apgd-t, and square.",
    )


def _steps(target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, seed: int) -> Flag | None:
    """Does one step fool what many steps do not?"""
    hits = []
    for attack in (fgsm, pgd):
        draws = Draws.of(seed, "flags", torch.arange(len(x)))
        points = attack(target, x.clone(), y, budget, Effort(effort.steps), draws)
        with torch.no_grad():
            hits.append(int(fooled(target(points), y).sum()))
    if hits[0] <= hits[1]:
        return None
    return Flag(
        "steps",
        f"One step fools {hits[0]} of {len(x)} examples and {effort.steps} steps only {hits[1]}: the gradients "
        "mislead, so try more restarts, and square.",
    )


def _black_box(outcome: Tensor, attacks: Sequence[str]) -> Flag | None:
    """Examples that square fools after every attack with gradients failed on them."""
    black = torch.tensor([name in BLACK_BOX for name in attacks])
    if black.all() or not black.any():
        return None
    beaten = (outcome[:, ~black] == FAILED).all(1) & (outcome[:, black] == FOOLED).any(1)
    count = int(beaten.any(0).sum())
    if not count > _BETTER * outcome.shape[2]:
        return None
    return Flag(
        "black-box",
        f"An attack without gradients fooled {count} examples on which every attack with gradients failed: the "
        "gradients are masked, and robust accuracy is overstated.",
    )


def _radius(outcome: Tensor, right: Tensor, eps: Sequence[Fraction]) -> Flag | None:
    """Does twice the budget fool nothing more, although something is left to fool?"""
    hits = ((outcome == FOOLED).any(1).int().cummax(0).values.bool() & right).sum(1).tolist()
    for small, count in zip(eps, hits, strict=True):
        if 0 < count == hits[-1] < int(right.sum()) and eps[-1] >= 2 * small:
            return Flag(
                "radius",
                f"An eps of {eps[-1]} fools no more examples than {small} does, {count} of {int(right.sum())}: what "
                "should be far easier is not, so the attacks are stuck.",
            )
    return None
