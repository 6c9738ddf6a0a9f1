"""The search for the diagonal D that makes |BD| |D⁻¹A| small; nothing here is trusted."""

import torch
from torch import Tensor

_ROUNDS = 40
_STEP = 0.5


def balance(left: Tensor, right: Tensor) -> Tensor:
    """A positive D for left · D and D⁻¹ · right.

    Descent on log|BD| + log|D⁻¹A|, whose slope in log D_i is p_i² - q_i², p and q the right and left singular vectors
    that power iteration follows along the way. The start levels each column of BD with its row of D⁻¹A.
    """
    tiny = torch.finfo(torch.float64).tiny
    columns, rows = left.norm(dim=0), right.norm(dim=1)
    usable = (columns > 0) & (rows > 0)
    log = torch.where(usable, (rows.clamp_min(tiny).log() - columns.clamp_min(tiny).log()) / 2, 0.0)
    log = (log - log[usable].mean() if bool(usable.any()) else log).clamp(-30, 30)
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(len(log), generator=generator, dtype=torch.float64) for _ in range(2))
    best, lowest = log, float("inf")
    for _ in range(_ROUNDS):
        d = log.exp()
        p, after = _power(lambda x, d=d: d * (left.T @ (left @ (d * x))), p)  # type: ignore[misc]
        q, before = _power(lambda x, d=d: (right @ (right.T @ (x / d))) / d, q)  # type: ignore[misc]
        if after * before < lowest:
            best, lowest = log, after * before
        log = (log - _STEP * len(log) * (p.square() - q.square()).clamp(-1 / len(log), 1 / len(log))).clamp(-40, 40)
    return best.exp()


def _power(multiply, x: Tensor) -> tuple[Tensor, float]:  # type: ignore[no-untyped-def]
    """Three steps of power iteration: a unit vector, and its Rayleigh quotient."""
    value = 0.0
    for _ in range(3):
        x = x / x.norm().clamp_min(torch.finfo(x.dtype).tiny)
        x = multiply(x)
        value = float(x.norm())
    return x / x.norm().clamp_min(torch.finfo(x.dtype).tiny), value
