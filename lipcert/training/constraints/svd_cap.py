"""The exact projection onto matrices whose singular values are under a cap: the oracle, and how weights start."""

import torch
from jaxtyping import Float
from torch import Tensor

from lipcert.errors import InputError
from lipcert.training.constraints.known import Known


def svd_cap(x: Float[Tensor, "b m n"], known: Known) -> Float[Tensor, "b m n"]:
    """σ ← min(σ, aim) by an SVD in float64: the nearest matrix under the cap in every unitarily invariant norm.

    Matrices under the aim are unchanged, bit by bit.
    """
    wide = x.to("cpu" if x.device.type == "mps" else x.device).double()  # MPS has no float64
    u, sigma, v = torch.linalg.svd(wide, full_matrices=False)
    capped = (u * sigma.clamp(max=known.aim)[:, None]) @ v  # X - U·max(Σ - aim, 0)·Vᵀ would cancel for a huge X
    under = sigma.amax(1) <= known.aim
    return torch.where(under[:, None, None], wide, capped).to(x)


def bring_under(matrices: Float[Tensor, "b m n"], cap: float) -> Float[Tensor, "b m n"]:
    """Starting weights whose singular values are all under `cap`, in their own dtype, whatever they were before.

    Rounding to float32 moves σ by at most 2^-24·‖X‖_F <= 2^-24·√n·cap, which is within the margin of the aim for
    n < 2^24. Raises InputError for NaN and infinity.
    """
    if not matrices.isfinite().all():
        raise InputError(
            "a starting weight holds NaN or infinity: it cannot be brought under a cap",
            hint="Look at the checkpoint or the initialisation that it comes from.",
        )
    return svd_cap(matrices, Known(cap, reach=float("inf"), decay=0.0))
