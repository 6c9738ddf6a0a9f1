"""Norms as values: an inner norm over the features of a group, an outer norm over the groups."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from flint import arb
from torch import Tensor

Order = Literal[2, "inf"]


@dataclass(frozen=True)
class Norm:
    """`outer` over groups of (`inner` over features). A flat norm has one group, all of the tensor; a token norm
    has a group for every row along the last axis.

    name: how the norm is written in commands, tables and certificates.
    rms: whether a group's l2 norm is divided by the root of its number of features.
    """

    name: str
    inner: Order
    outer: Order
    rms: bool = False

    @property
    def by_token(self) -> bool:
        """Whether the groups are the rows along the last axis."""
        return self.inner != self.outer

    @property
    def dual(self) -> Order | Literal[1]:
        """The order of the dual of a flat norm: ⟨g, v⟩ <= |g|_dual |v|."""
        return 2 if self.inner == 2 else 1

    def of(self, x: Tensor) -> Tensor:
        """The norm of each item of a batch: (batch, *shape) → (batch,)."""
        if self.by_token:
            longest: Tensor = torch.linalg.vector_norm(self._rows(x), dim=-1).amax(1) / self._scale(x)
            return longest
        order = 2.0 if self.inner == 2 else math.inf
        size: Tensor = torch.linalg.vector_norm(x.reshape(len(x), -1), ord=order, dim=1)
        return size

    def steepest(self, gradient: Tensor) -> Tensor:
        """The v of norm 1 that maximises ⟨gradient, v⟩, for each item (0 where the gradient is 0).

        (batch, *shape) → (batch, *shape)
        """
        if self.inner == "inf":
            return gradient.sign()
        groups = self._rows(gradient) if self.by_token else gradient.reshape(len(gradient), 1, -1)
        length = torch.linalg.vector_norm(groups, dim=-1, keepdim=True).clamp_min(torch.finfo(gradient.dtype).tiny)
        steepest: Tensor = (groups / length * self._scale(gradient)).reshape(gradient.shape)
        return steepest

    def unit(self, features: int) -> arb:
        """What a group of l2 norm 1 measures: 1, or 1/√features in a root mean square."""
        return 1 / arb(features).sqrt() if self.rms else arb(1)

    def _rows(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), -1, x.shape[-1])

    def _scale(self, x: Tensor) -> float:
        return math.sqrt(x.shape[-1]) if self.rms else 1.0


L2 = Norm("l2", 2, 2)
LINF = Norm("linf", "inf", "inf")
TOKEN_L2 = Norm("token-l2", 2, "inf")
TOKEN_RMS = Norm("token-rms", 2, "inf", rms=True)

NORMS = {norm.name: norm for norm in (L2, LINF, TOKEN_L2, TOKEN_RMS)}
