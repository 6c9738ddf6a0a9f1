"""What an attack keeps of every example while it runs; examples that are fooled leave."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lipcert.attacks.ball import Ball
from lipcert.attacks.budget import Budget
from lipcert.attacks.draws import Draws
from lipcert.attacks.loss import fooled
from lipcert.attacks.target import Target


@dataclass(frozen=True)
class Batch:
    """Rows of a batch. rows: (n,) int64, their numbers in the batch that the attack was given."""

    target: Target
    y: Tensor
    ball: Ball
    draws: Draws
    rows: Tensor

    @classmethod
    def of(cls, target: Target, x: Tensor, y: Tensor, budget: Budget, draws: Draws) -> "Batch":
        return cls(target, y, Ball.of(budget, x), draws, torch.arange(len(x), device=x.device))

    def __len__(self) -> int:
        return len(self.rows)

    def leave(self, found: Tensor, z: Tensor, logits: Tensor) -> Tensor:
        """Writes z down as what was found, and says which rows are not fooled there: (n,) bool."""
        found[self.rows] = z
        return ~fooled(logits, self.y)

    def unfooled(self, found: Tensor) -> "Batch":
        """The rows that what was found does not fool; costs a forward pass."""
        if not len(self):
            return self
        with torch.no_grad():
            logits = self.target(found[self.rows])
        return self.select(~fooled(logits, self.y))

    def select(self, rows: Tensor) -> "Batch":
        """Some of the rows, by a bool for each or by their numbers in this batch."""
        numbers = rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows
        return Batch(
            self.target.select(numbers),
            self.y[numbers],
            self.ball.select(numbers),
            self.draws.select(numbers),
            self.rows[numbers],
        )
