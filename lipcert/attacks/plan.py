"""What a run of attacks tries: budgets and attacks by name."""

from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from lipcert.attacks.budget import Budget, Effort
from lipcert.errors import UsageError
from lipcert.norms.norm import NORMS, Norm
from lipcert.workspace.schema import Suite


@dataclass(frozen=True)
class Plan:
    """Attacks by name, each tried with every eps. low, high, positions: as in Budget."""

    norm: Norm
    eps: tuple[Fraction, ...]
    attacks: tuple[str, ...]
    effort: Effort
    low: float | None = None
    high: float | None = None
    positions: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.eps or not self.attacks:
            raise UsageError("no eps or no attack is named.", hint="Name at least one of each.")
        object.__setattr__(self, "eps", tuple(sorted(set(self.eps))))
        object.__setattr__(self, "attacks", tuple(dict.fromkeys(self.attacks)))

    @classmethod
    def of(cls, suite: Suite, positions: Tensor | None = None) -> "Plan":
        """The plan that a file in attacks/ describes."""
        low, high = (None, None) if suite.range is None else map(float, suite.range)
        effort = Effort(suite.steps, suite.restarts, suite.queries)
        return cls(NORMS[suite.norm], tuple(suite.eps), tuple(suite.attacks), effort, low, high, positions)

    def budget(self, eps: Fraction) -> Budget:
        return Budget(self.norm, eps, self.low, self.high, self.positions)
