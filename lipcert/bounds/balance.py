"""The search for the diagonal D that makes |BD| |D⁻¹A| small; nothing here is trusted."""

from collections.abc import Callable

import torch
from torch import Tensor

_ROUNDS = 16
_WARM = 8
_STEP = 0.5


def balance(left: Tensor, right: Tensor) -> Tensor:
    """A positive D for left · D and D⁻¹ · right.

    Descent on log|BD| + log|D⁻¹A|, whose slope in log D_i is p_i² - q_i², p and q the right and left singular vectors
    that power iteration follows along the way. The start levels each column of BD with its row of D⁻¹A.
    """
    left, right = left.float(), right.float()
    tiny = torch.finfo(left.dtype).tiny
    columns, rows = left.norm(dim=0), right.norm(dim=1)
    usable = (columns > 0) & (rows > 0)
    log = torch.where(usable, (rows.clamp_min(tiny).log() - columns.clamp_min(tiny).log()) / 2, 0.0)
    log = (log - log[usable].mean() if bool(usable.any()) else log).clamp(-30, 30)
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(len(log), generator=generator) for _ in range(2))
    best, lowest = log, float("inf")
    for step in range(_WARM + _ROUNDS):
        d = log.exp()
        p, after = _power(lambda x, d=d: d * (left.T @ (left @ (d * x))), p)  # type: ignore[misc]
        q, before = _power(lambda x, d=d: (right @ (right.T @ (x / d))) / d, q)  # type: ignore[misc]
        if step >= _WARM and after * before < lowest:
            best, lowest = log, after * before
        if step < _WARM:  # both vectors turn first to where they stay
            continue
        log = (log - _STEP * len(log) * (p.square() - q.square()).clamp(-1 / len(log), 1 / len(log))).clamp(-40, 40)
    return best.double().exp()


def _power(multiply: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, float]:
    """A step of power iteration: a unit vector, and how long it became."""
    x = multiply(x)
    length = x.norm()
    return x / length.clamp_min(torch.finfo(x.dtype).tiny), float(length)
