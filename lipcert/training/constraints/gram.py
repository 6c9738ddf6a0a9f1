"""Products of stacks of matrices on their smaller side, and a bound of the largest singular value made of them."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

LOOSE = 0.01
"""`largest_upper` is above the largest singular value by at most this share."""

_THIN, _BLOCK = 16, 1024
"""Sums this long are made of parts where few are made at once: after one large square the small ones would vanish."""


def gram(x: Float[Tensor, "b m n"], unit: float = 1.0) -> Float[Tensor, "b k k"]:
    """The smaller of XᵀX and XXᵀ, in units of unit²: its eigenvalues are (σ/unit)²."""
    left, right = (x.mT, x) if x.shape[1] >= x.shape[2] else (x, x.mT)
    side, length = left.shape[1:]
    if side < _THIN and length > _BLOCK:
        padded = F.pad(left, (0, -length % _BLOCK))
        blocks = padded.reshape(len(left), side, -1, _BLOCK).movedim(2, 1)
        summed: Tensor = (blocks @ blocks.mT).sum(1)
        return summed * unit**-2
    return torch.baddbmm(x.new_zeros(()), left, right, beta=0, alpha=unit**-2)


def add_product(x: Float[Tensor, "b m n"], h: Float[Tensor, "b k k"]) -> Float[Tensor, "b m n"]:
    """X + XH or X + HX: for H = h(G) with G of `gram` each singular value σ becomes σ(1 + h(σ²))."""
    return torch.baddbmm(x, x, h) if x.shape[1] >= x.shape[2] else torch.baddbmm(x, h, x)


def squarings(side: int) -> int:
    """The least j for which the n^(1/2^(j+2)) of `largest_upper` is at most 1.01."""
    return max(0, math.ceil(math.log2(max(math.log(side), 1e-9) / math.log1p(LOOSE))) - 2)


def largest_upper(x: Float[Tensor, "b m n"]) -> Float[Tensor, " b"]:
    """An upper bound of each largest singular value, at most 1 % above it; in exact arithmetic.

    λ_max(G)^p <= ‖G^p‖_F <= √n·λ_max(G)^p with p = 2^j, so σ_max <= ‖G^p‖_F^(1/2p) <= n^(1/4p)·σ_max. With
    G_0 = G, f_i = ‖G_i‖_F and G_(i+1) = (G_i/f_i)² that is log λ_max <= Σ 2^-i log f_i: the rounding of the i-th
    squaring enters divided by 2^i. What is left is the rounding of G itself, which `AIM` has room for.
    """
    sizes = x.abs().amax((1, 2), keepdim=True)
    power = gram(x / torch.where(sizes == 0, 1, sizes))
    log = x.new_zeros(len(x))
    for i in range(squarings(power.shape[1]) + 1):
        if i:
            power = power @ power
        norms = torch.linalg.matrix_norm(power, keepdim=True)
        log += norms.flatten().log() * 0.5**i
        power = power / torch.where(norms == 0, 1, norms)
    return sizes.flatten() * (log / 2).exp()  # log 0 makes it 0
