"""Which pairs of optimiser and constraint hold every singular value under the cap after every step, and why.

The statements are about exact arithmetic and finite gradients, from weights that `bring_under` started. What rounding
adds is measured, and fits between the aim and the cap: docs/constraints.md.
"""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Literal, NamedTuple

from lipcert.errors import UsageError
from lipcert.training.constraints.known import AIM
from lipcert.training.constraints.soft_cap import MONOTONE, SLACK, VALID

Optimizer = Literal["muon", "adamw"]


class Guarantee(NamedTuple):
    """why: one sentence, of a theorem or of what is missing."""

    holds: bool
    why: str


class Run(NamedTuple):
    """All norms RMS→RMS. lr: the largest of the run. decay: λ. update: the largest norm of an update, lr left out."""

    optimizer: Optimizer
    w_max: float
    lr: float
    decay: float
    update: float


def guarantee(
    constraint: str, optimizer: Optimizer, *, w_max: float, lr: float, decay: float, update: float
) -> Guarantee:
    """Whether no step of such a run can leave a singular value above w_max. Raises UsageError for an unknown name."""
    if constraint not in GUARANTEES:
        near = get_close_matches(constraint, GUARANTEES, n=1) or list(GUARANTEES)
        raise UsageError(f"there is no constraint {constraint!r}.", hint=f"Perhaps {', '.join(near)}?")
    return GUARANTEES[constraint](Run(optimizer, w_max, lr, decay, update))


def _always(why: str) -> Callable[[Run], Guarantee]:
    return lambda run: Guarantee(True, why)


def _never(why: str) -> Callable[[Run], Guarantee]:
    return lambda run: Guarantee(False, why)


def _weight_decay(run: Run) -> Guarantee:
    """σ ← (1 - λη)σ + ηu keeps σ <= max(σ_0, u/λ) where λη <= 1. Half of the aim's margin stays for rounding."""
    least = f"λ >= {run.update / (run.w_max * AIM):.6g}"
    if not run.update <= run.decay * run.w_max * (1 + AIM) / 2:
        return Guarantee(
            False,
            f"{_update(run)}: weight decay holds σ <= u/λ only, which is above w_max = {run.w_max:g} for "
            f"λ = {run.decay:g}; {least} would do",
        )
    if not run.decay * run.lr <= 1:
        return Guarantee(False, f"λ·lr = {run.decay * run.lr:.4g} is above 1: the decay turns weights round")
    return Guarantee(True, f"{_update(run)}, so weight decay of λ = {run.decay:.6g} holds σ <= max(σ at start, u/λ)")


def _soft_cap(run: Run) -> Guarantee:
    """k <= 81/31 of the aim (`coupling`), where k = (1 - λη)t(1 + ν) + ηu is linear in η: both ends decide."""
    k = (1 - run.decay * run.lr) * (1 + SLACK) + run.lr * run.update / (run.w_max * AIM)
    reach = f"{_update(run)}: a step of lr {run.lr:g} reaches {k:.4g} w_max"
    if not run.decay * run.lr <= 1:
        return Guarantee(False, f"λ·lr = {run.decay * run.lr:.4g} is above 1: the decay turns weights round")
    if not k <= VALID:
        return Guarantee(False, f"{reach}, beyond 81/31 = {VALID:.4g} w_max, where the soft cap holds nothing")
    if k <= MONOTONE:
        return Guarantee(True, f"{reach}, within 81/62 = {MONOTONE:.4g} w_max, where the coupled polynomial rises")
    return Guarantee(
        True,
        f"{reach}, beyond 81/62 = {MONOTONE:.4g} w_max: its polynomial still holds the cap up to 81/31 w_max, but "
        "throws singular values above 81/62 w_max back far below the cap",
    )


def _update(run: Run) -> str:
    if run.optimizer == "muon":
        return f"updates of Muon have norm u <= {run.update:.4g}"
    return f"an entry of AdamW's update is bounded (Cauchy-Schwarz), its norm by u <= {run.update:.4g}"


GUARANTEES: dict[str, Callable[[Run], Guarantee]] = {
    "none": _never("nothing holds the weights"),
    "weight_decay": _weight_decay,
    "spectral_weight_decay": _never("only the largest singular value decays while an update may lift all of them"),
    "spectral_normalisation": _always("the weight is divided by a proved upper bound of its norm, whatever the update"),
    "soft_cap": _soft_cap,
    "hard_cap": _always(
        "the polynomial's maximum is enclosed on the range that it is used on, and what may lie beyond it is projected"
    ),
    "spectral_hammer": _never(
        "only the largest singular value is set to w_max while an update may lift several above it"
    ),
    "stiefel": _always("Newton-Schulz from X/‖X‖_F never exceeds 1 with these polynomials, whatever the update"),
    "svd_cap": _always("the weight is projected exactly, whatever the update"),
}
