"""Spectral normalisation, with a bound of the norm in the place of an estimate."""

import torch
from jaxtyping import Float
from torch import Tensor

from lipcert.training.constraints.gram import largest_upper
from lipcert.training.constraints.known import Known


def spectral_normalisation(x: Float[Tensor, "b m n"], known: Known) -> Float[Tensor, "b m n"]:
    """X / max(1, s/cap) with s >= σ_max: the norm is at most σ_max/(s/cap) <= cap, whatever X is.

    s is at most 1 % above σ_max (`largest_upper`); power iteration, from below, would end above the cap. Matrices with
    s <= cap are unchanged, bit by bit.
    """
    norms = largest_upper(x)[:, None, None]
    sizes = x.abs().amax((1, 2), keepdim=True)
    # Dividing by the largest entry first keeps the factor a normal number, however large the matrix.
    smaller = (x / torch.where(sizes == 0, 1, sizes)) * (known.aim / (norms / sizes))
    return torch.where(norms <= known.aim, x, smaller)
