"""What a run of attacks found, example by example."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lipcert.attacks.flags import Flag, compared
from lipcert.attacks.measure import ACCEPTED, FAILED, FOOLED, REASONS, REJECTED

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Attempt:
    """One attack at one eps, over all examples it was tried on.

    rejected: how many returned inputs for each reason. forward, backward: examples that went through the network.
    seconds: of the attack and of measuring what it returned. skipped: why the attack could not be run; else "".
    """

    attack: str
    eps: Fraction
    tried: int = 0
    fooled: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    forward: int = 0
    backward: int = 0
    seconds: float = 0.0
    skipped: str = ""


@dataclass(frozen=True)
class AttackResult:
    """n examples, e budgets (ascending), a attacks. Success counts in the network's own type, norms in float64.

    examples: (n,) int64, their numbers. label: (n,) or (n, T). prediction, right (n,) bool, clean_margin: without any
        attack; of several positions, all that count have to be right.
    outcome: (e, a, n) int8, NOT_TRIED, FAILED, FOOLED or REJECTED.
    radius: (n,) float64, the smallest measured |x' - x| that fools the network; inf where there is none.
    margin: (n,), and margin64: (n,) float64, at that x' in the network's type and in float64 (NaN where there is none,
        or the network cannot be run in float64).
    adversarial: (n, *shape), that x'; x where there is none.
    seed: with an attack's name, its eps and an example's number it gives all random numbers.
    probed: signs of masked gradients that were looked for beside the attacks.
    """

    norm: str
    eps: tuple[Fraction, ...]
    attacks: tuple[str, ...]
    seed: int
    examples: Tensor
    label: Tensor
    prediction: Tensor
    right: Tensor
    clean_margin: Tensor
    outcome: Tensor
    radius: Tensor
    margin: Tensor
    margin64: Tensor
    adversarial: Tensor
    attempts: tuple[Attempt, ...]
    probed: tuple[Flag, ...] = ()

    @property
    def fooled(self) -> Tensor:
        """(e, n) bool: some attack fools the network within this eps, or a smaller one."""
        return (self.outcome == FOOLED).any(1).int().cummax(0).values.bool()

    @property
    def robust(self) -> Tensor:
        """(e, n) bool: classified as labelled, and still so under every attack."""
        return self.right & ~self.fooled

    @property
    def accuracy(self) -> float:
        """The share that is right without any attack."""
        return float(self.right.double().mean())

    @property
    def robust_accuracy(self) -> list[float]:
        """For each eps, the share that is right under the worst of all attacks: an upper bound of the true share."""
        return self.robust.double().mean(1).tolist()

    @property
    def unsure(self) -> Tensor:
        """(n,) bool: fooled in the network's type and not in float64, so that rounding may be what was attacked."""
        return self.radius.isfinite() & (self.margin64 > 0)

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Signs that the attacks are weaker than they look: what was probed, and what the outcomes show."""
        return self.probed + compared(self.outcome, self.right, self.attacks, self.eps)

    def frame(self) -> "pd.DataFrame":
        """A row an example; a column `robust_EPS` for each eps, in the units of the norm."""
        import pandas as pd

        columns: dict[str, Any] = {
            "example": self.examples.tolist(),
            "right": self.right.tolist(),
            "clean_margin": self.clean_margin.tolist(),
            "radius": self.radius.tolist(),
            "margin": self.margin.tolist(),
            "margin64": self.margin64.tolist(),
        }
        columns |= {f"robust_{eps}": row.tolist() for eps, row in zip(self.eps, self.robust, strict=True)}
        return pd.DataFrame(columns)


def rejections(reason: Tensor) -> dict[str, int]:
    """How many rows of a verdict were rejected for what."""
    counts = {name: int((reason == number).sum()) for number, name in enumerate(REASONS)}
    return {name: count for name, count in counts.items() if count}


def outcomes(fooled: Tensor, reason: Tensor) -> Tensor:
    """A verdict as int8."""
    found = torch.where(reason == ACCEPTED, FAILED, REJECTED)
    return torch.where(fooled, FOOLED, found).to(torch.int8)


def join(parts: Sequence[AttackResult]) -> AttackResult:
    """The results of disjoint examples of one run as one, in the order given; of each kind of flag, the first."""
    first = parts[0]
    if any((part.norm, part.eps, part.attacks, part.seed) != (first.norm, first.eps, first.attacks, first.seed)
           for part in parts):  # fmt: skip
        raise ValueError("results of different runs cannot be joined: norm, eps, attacks and seed must agree")
    names = ("examples", "label", "prediction", "right", "clean_margin", "radius", "margin", "margin64", "adversarial")
    rows: dict[str, Any] = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
    return replace(
        first,
        **rows,
        outcome=torch.cat([part.outcome for part in parts], 2),
        attempts=tuple(_sum(each) for each in zip(*(part.attempts for part in parts), strict=True)),
        probed=tuple({flag.name: flag for part in reversed(parts) for flag in part.probed}.values()),
    )


def _sum(each: tuple[Attempt, ...]) -> Attempt:
    keys = dict.fromkeys(key for attempt in each for key in attempt.rejected)
    return Attempt(
        each[0].attack,
        each[0].eps,
        sum(attempt.tried for attempt in each),
        sum(attempt.fooled for attempt in each),
        {key: sum(attempt.rejected.get(key, 0) for attempt in each) for key in keys},
        sum(attempt.forward for attempt in each),
        sum(attempt.backward for attempt in each),
        sum(attempt.seconds for attempt in each),
        next((attempt.skipped for attempt in each if attempt.skipped), ""),
    )
