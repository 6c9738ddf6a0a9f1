"""What a constraint is and what it is told."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

AIM = 1 - 2.0**-12
"""Constraints aim at this share of the cap. The rest is room for the rounding of float32, which is measured."""


class Known(NamedTuple):
    """What is known of the matrices when a constraint is applied. All sizes are singular values.

    cap: none is to be above it afterwards. reach: none is above it now, provided that none was above `cap` before the
    step: |1 - decay|·cap + lr·|update|; a number, or one for each matrix; infinity where nothing is known.
    decay: λη of this step.
    """

    cap: float
    reach: float | Float[Tensor, " b"]
    decay: float

    @property
    def aim(self) -> float:
        return AIM * self.cap


Apply = Callable[[Float[Tensor, "b m n"], Known], Float[Tensor, "b m n"]]
"""Pure; the same dtype, and the very argument where nothing changes. A matrix that holds a NaN becomes NaN."""


class Constraint(NamedTuple):
    """formula: what becomes of a singular value σ, of the largest where only σ₁ is named."""

    apply: Apply
    formula: str
    source: str
