"""The search for the diagonal D that makes |BD| |D⁻¹A| small; nothing here is trusted."""

import torch
from torch import Tensor

_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_STEPS = 10


def balance(left: Tensor, right: Tensor) -> Tensor:
    """A positive D for left · D and D⁻¹ · right.

    The best of the powers of the D that makes each column of BD as long as its row of D⁻¹A: none where the lengths
    are chance, all of it where they differ by nature.
    """
    b, a = left.float(), right.float()
    tiny = torch.finfo(b.dtype).tiny
    columns, rows = b.norm(dim=0), a.norm(dim=1)
    usable = (columns > tiny) & (rows > tiny)
    level = torch.where(usable, (rows.clamp_min(tiny) / columns.clamp_min(tiny)).sqrt(), 1.0).clamp(1e-6, 1e6)
    candidates = [level**power for power in _POWERS]
    return min(candidates, key=lambda d: _norm(b * d) * _norm(a / d[:, None])).double()


def _norm(matrix: Tensor) -> float:
    """About the l2 norm, by a few steps of power iteration."""
    x = torch.randn(matrix.shape[1], generator=torch.Generator().manual_seed(0))
    for _ in range(_STEPS):
        x = matrix.T @ (matrix @ (x / x.norm().clamp_min(torch.finfo(x.dtype).tiny)))
    return float(x.norm().sqrt())
