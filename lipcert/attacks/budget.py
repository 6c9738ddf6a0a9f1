"""What an attacker may do, and how much work is put into it: values, checked when they are made."""

import math
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from lipcert.errors import InputError, UsageError
from lipcert.norms.norm import Norm
from lipcert.workspace.exact import parse_exact


@dataclass(frozen=True)
class Budget:
    """The x' with |x' - x|_norm <= eps, entries in [low, high] where given, equal to x outside `positions`.

    eps: in units of the norm and of the inputs: 8/255 where pixels are in [0, 1], 8 where they are in [0, 255].
    low, high: the range of the inputs' entries, rounded to the inputs' type; None where it has no end.
    positions: (T,) bool, which rows along the last axis but one may move, for inputs (batch, ..., T, features); None
        for all.
    Raises UsageError for an eps below 0, an empty range, and an eps in linf that is wider than the range.
    """

    norm: Norm
    eps: Fraction
    low: float | None = None
    high: float | None = None
    positions: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.eps >= 0:
            raise UsageError(f"the budget eps = {self.eps} is negative.", hint="Give a radius of at least 0.")
        _require_range(self.low, self.high)
        self._require_narrow(1 if self.norm.outer == self.norm.inner == "inf" else None)

    @classmethod
    def of(
        cls,
        norm: Norm,
        eps: Fraction | float | int | str,
        low: float | None = None,
        high: float | None = None,
        positions: Tensor | None = None,
    ) -> "Budget":
        """The budget with eps as people write it: 0.1 is a tenth. Raises UsageError where it is no number."""
        try:
            exact = eps if isinstance(eps, Fraction) else parse_exact(str(eps))
        except ValueError as error:
            raise UsageError(f"the budget eps: {error}", hint="Write a number such as 0.1 or '8/255'.") from error
        return cls(norm, exact, low, high, positions)

    @property
    def radius(self) -> float:
        """The largest float64 that is at most eps."""
        nearest = float(self.eps)
        return nearest if Fraction(nearest) <= self.eps else math.nextafter(nearest, 0.0)

    def require(self, x: Tensor) -> None:
        """Raises where the inputs (batch, ...) cannot be perturbed within this budget."""
        if not x.is_floating_point():
            raise InputError(
                f"the inputs are {x.dtype}; only real numbers can be moved a little.",
                hint="Convert pixels to float32 first; attack token ids through their embedding: space = 'embedding'.",
            )
        if x.numel() == 0:
            raise InputError(f"the inputs are empty: shape {tuple(x.shape)}.", hint="Give at least one example.")
        if not bool(x.isfinite().all()):
            raise InputError("the inputs hold NaN or infinity.", hint="Look at how they were prepared.")
        self._require_inside(x)
        self._require_narrow(x[0].numel() if not self.norm.by_token else x.shape[-1])
        self._require_positions(x)

    def range_in(self, dtype: torch.dtype) -> tuple[float, float]:
        """The ends of the range, rounded to a type; infinite where there are none."""
        ends = (-math.inf if self.low is None else self.low, math.inf if self.high is None else self.high)
        low, high = torch.tensor(ends, dtype=torch.float64).to(dtype).tolist()
        return low, high

    def _require_inside(self, x: Tensor) -> None:
        low, high = self.range_in(x.dtype)
        least, most = float(x.min()), float(x.max())
        if not (low <= least and most <= high):
            raise InputError(
                f"the inputs lie in [{least:.6g}, {most:.6g}], outside the range [{low:.6g}, {high:.6g}].",
                hint="State the range that they have after your normalisation, or move that into the network.",
            )

    def _require_narrow(self, entries: int | None) -> None:
        """No eps beyond the largest distance there is between points of the range: its unit must be another."""
        if entries is None or self.low is None or self.high is None:
            return
        width = self.high - self.low
        unit = math.sqrt(entries) if self.norm.inner == 2 and not self.norm.rms else 1.0
        if not self.radius <= width * unit * (1 + 1e-9):
            raise UsageError(
                f"eps = {self.eps} in {self.norm.name} is larger than the range [{self.low:g}, {self.high:g}] allows: "
                f"no two inputs are further apart than {width * unit:.6g}.",
                hint=f"Give eps in the units of the inputs, such as '{self.eps}/255' for pixels of 256 grey levels.",
            )

    def _require_positions(self, x: Tensor) -> None:
        mask = self.positions
        if mask is None:
            return
        if x.dim() < 3 or mask.dtype != torch.bool or mask.shape != (x.shape[-2],):
            raise UsageError(
                f"positions has shape {tuple(mask.shape)} and type {mask.dtype}; the inputs are {tuple(x.shape)}.",
                hint="Give a bool for every token: torch.tensor([True, False, ...]) of as many as there are.",
            )


@dataclass(frozen=True)
class Effort:
    """steps: gradients a start. restarts: starts. queries: forward passes of attacks without gradients.

    All of them for one example.
    """

    steps: int = 40
    restarts: int = 1
    queries: int = 1000

    def __post_init__(self) -> None:
        if min(self.steps, self.restarts, self.queries) < 1:
            raise UsageError(f"{self} holds a count below 1.", hint="Give at least one step, restart and query.")


def _require_range(low: float | None, high: float | None) -> None:
    ends = [end for end in (low, high) if end is not None]
    if not all(math.isfinite(end) for end in ends) or (low is not None and high is not None and not low < high):
        raise UsageError(
            f"the range [{low}, {high}] of the inputs is empty or not finite.",
            hint="Give low below high, or None for an end that there is not.",
        )
