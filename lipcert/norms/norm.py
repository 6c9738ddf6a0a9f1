"""Norms as values: an inner norm over the features of a group, an outer norm over the groups."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Order = Literal[2, "inf"]


@dataclass(frozen=True)
class Norm:
    """`outer` over groups of (`inner` over features); a flat norm has one group, all of the tensor.

    name: how the norm is written in commands, tables and certificates.
    """

    name: str
    inner: Order
    outer: Order

    @property
    def dual(self) -> Order | Literal[1]:
        """The order of the dual of a flat norm: ⟨g, v⟩ <= |g|_dual |v|."""
        return 2 if self.inner == 2 else 1

    def of(self, x: Tensor) -> Tensor:
        """The norm of each item of a batch: (batch, *shape) → (batch,)."""
        order = 2.0 if self.inner == 2 else math.inf
        size: Tensor = torch.linalg.vector_norm(x.reshape(len(x), -1), ord=order, dim=1)
        return size

    def steepest(self, gradient: Tensor) -> Tensor:
        """The v of norm 1 that maximises ⟨gradient, v⟩, for each item (0 where the gradient is 0).

        (batch, *shape) → (batch, *shape)
        """
        if self.inner == "inf":
            return gradient.sign()
        length = self.of(gradient).clamp_min(torch.finfo(gradient.dtype).tiny)
        steepest: Tensor = gradient / length.reshape(-1, *[1] * (gradient.dim() - 1))
        return steepest


L2 = Norm("l2", 2, 2)
LINF = Norm("linf", "inf", "inf")

NORMS = {norm.name: norm for norm in (L2, LINF)}
