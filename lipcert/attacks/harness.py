"""Running attacks on examples: every eps, every attack, the worst case counts, and nothing returned is trusted."""

import torch
from torch import Tensor

from lipcert.attacks.flags import Flag
from lipcert.attacks.part import Part
from lipcert.attacks.plan import Plan
from lipcert.attacks.result import AttackResult, join
from lipcert.attacks.table import find
from lipcert.attacks.target import Target
from lipcert.errors import InputError, UnsupportedError


def run(
    target: Target,
    x: Tensor,
    y: Tensor,
    plan: Plan,
    *,
    seed: int = 0,
    batch: int = 128,
    examples: Tensor | None = None,
) -> AttackResult:
    """Attack n examples: x (n, *shape) and y (n,), or (n, T) for a network that answers at T positions.

    batch: how many go through the network at once. examples: (n,) their numbers, 0 to n - 1 if not given. An example's
    random numbers depend on the seed and its number alone, so batches and shards change nothing but the rounding of
    the network; attacks of torchattacks alone draw for a batch.
    Weights and modes of the network, x and y are afterwards what they were.
    Raises UsageError and InputError where plan, inputs, labels and network do not fit together, UnsupportedError where
    no attack can be run.
    """
    examples = torch.arange(len(x)) if examples is None else examples
    _require_inputs(x, y, plan)
    attacks = [find(name) for name in plan.attacks]
    with target.frozen():
        double, parts = _double(target), list[AttackResult]()
        flags: tuple[Flag, ...] | None = None
        for rows in torch.split(torch.arange(len(x)), batch):
            part = Part(target.select(rows), x[rows], y[rows], plan, seed, examples[rows])
            if flags is None:
                flags = part.probe()
            attempts = tuple(part.attempts(attacks))
            parts.append(part.result(attempts, double.select(rows) if double else None, flags))
    found = join(parts)
    if all(attempt.skipped for attempt in found.attempts):
        raise UnsupportedError(
            "no attack could be run:\n" + "\n".join(sorted({each.skipped for each in found.attempts})),
            hint="Choose other attacks.",
        )
    return found


def _double(target: Target) -> Target | None:
    """The network in float64, where it can be copied."""
    try:
        return target.double()
    except (RuntimeError, TypeError, NotImplementedError):
        return None


def _require_inputs(x: Tensor, y: Tensor, plan: Plan) -> None:
    for eps in plan.eps:
        plan.budget(eps).require(x)
    if y.dtype != torch.int64 or y.dim() not in (1, 2) or len(y) != len(x):
        raise InputError(
            f"the labels are {y.dtype} of shape {tuple(y.shape)} for {len(x)} inputs.",
            hint="Give an int64 class for each: y.long().",
        )
