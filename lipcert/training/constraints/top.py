"""Constraints that act on the largest singular value alone. Neither holds a cap: others may grow meanwhile."""

import torch
from jaxtyping import Float
from torch import Tensor

from lipcert.training.constraints.known import Known

_ITERATIONS = 16


def spectral_hammer(x: Float[Tensor, "b m n"], known: Known) -> Float[Tensor, "b m n"]:
    """X ← X + (aim - σ₁)u₁v₁ᵀ: the largest singular value is set to the aim, also from below."""
    u, sigma, v = top(x)
    return torch.baddbmm(x, u * (known.aim - sigma), v.mT)


def spectral_weight_decay(x: Float[Tensor, "b m n"], known: Known) -> Float[Tensor, "b m n"]:
    """X ← X - λη·σ₁u₁v₁ᵀ: the decay of this step, on the largest singular value only."""
    u, sigma, v = top(x)
    return torch.baddbmm(x, u * sigma, v.mT, alpha=-known.decay)


def top(
    x: Float[Tensor, "b m n"],
) -> tuple[Float[Tensor, "b m 1"], Float[Tensor, "b 1 1"], Float[Tensor, "b n 1"]]:
    """An estimate of u₁, σ₁ and v₁ by power iteration from the longest row, which is never orthogonal to all of X.

    σ₁ is ‖Xv‖, from below: an estimate and no bound. A zero matrix gives zeros.
    """
    rows = torch.linalg.vector_norm(x, dim=2).argmax(1)
    v = _unit(x[torch.arange(len(x), device=x.device), rows].unsqueeze(2))
    for _ in range(_ITERATIONS):
        v = _unit(x.mT @ _unit(x @ v))
    u = x @ v
    sigma = torch.linalg.vector_norm(u, dim=1, keepdim=True)
    return _unit(u), sigma, v


def _unit(v: Float[Tensor, "b k 1"]) -> Float[Tensor, "b k 1"]:
    length = torch.linalg.vector_norm(v, dim=1, keepdim=True)
    return v / torch.where(length == 0, 1, length)
