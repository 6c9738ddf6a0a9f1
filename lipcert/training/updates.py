"""What AdamW and Muon make of gradients and what they remember: directions, without lr and decay."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Betas = tuple[float, float]

LEAST_EPS = 1e-15
"""`adamw_largest` needs an eps of at least this: squares of gradients below 1e-22 vanish, and eps alone divides."""

_TAIL = 1e-9


def adamw(
    gradients: list[Tensor],
    firsts: list[Tensor],
    seconds: list[Tensor],
    steps: Sequence[int],
    betas: Betas,
    eps: float,
) -> list[Tensor]:
    """Directions m̂/(√v̂ + eps), Loshchilov and Hutter 2019, algorithm 2. The moments are brought up to date in place.

    steps: which step this is for each weight, from 1; m̂ = m/(1 - β1^t), v̂ = v/(1 - β2^t).
    """
    first, second = betas
    torch._foreach_lerp_(firsts, gradients, 1 - first)
    torch._foreach_mul_(seconds, second)
    torch._foreach_addcmul_(seconds, gradients, gradients, 1 - second)
    # m̂/(√v̂ + eps) = m/(√v·d1/√d2 + eps·d1), d1 = 1 - β1^t, d2 = 1 - β2^t: one pass fewer
    shares = [1 - first**step for step in steps]
    roots = torch._foreach_sqrt(seconds)
    torch._foreach_mul_(roots, [share / (1 - second**step) ** 0.5 for share, step in zip(shares, steps, strict=True)])
    torch._foreach_add_(roots, [eps * share for share in shares])
    return list(torch._foreach_div(firsts, roots))


def adamw_largest(betas: Betas) -> float:
    """What no entry of AdamW's direction is above, whatever the gradients; inf unless β1² < β2.

    With the weights p and q that m̂ and v̂ give to past gradients g, Cauchy and Schwarz: |m̂|² ≤ Σp²/q · v̂, and after t
    steps Σp²/q = (1 - β1)²(1 - β2^t)/((1 - β1^t)²(1 - β2)) · Σ_{j<t} (β1²/β2)^j.
    """
    first, second = betas
    ratio = first**2 / second if second else math.inf
    if not ratio < 1:
        return math.inf
    limit = (1 - first) ** 2 / (1 - second) / (1 - ratio)
    steps = range(1, 1 + math.ceil(math.log(_TAIL) / math.log(first))) if first else range(1, 2)
    # Each step of float32 is wrong by a few 2^-24 of the moment, and remembered for 1/(1 - β) steps.
    rounding = 2.0**-21 * (1 / (1 - first) + 1 / (1 - second))
    seen = max(limit * (1 - second**t) * (1 - ratio**t) / (1 - first**t) ** 2 for t in steps)
    largest: float = max(seen, limit / (1 - _TAIL) ** 2) ** 0.5  # from there on β1^t ≤ _TAIL
    return largest * (1 + rounding)


def muon(gradients: list[Tensor], momenta: list[Tensor], momentum: float, *, nesterov: bool) -> list[Tensor]:
    """What Muon orthogonalises, the momentum B ← μB + (1 - μ)G, or with `nesterov` μB + (1 - μ)G of the new B.

    B is brought up to date in place. Without the factors 1 - μ, as in heavy balls, the direction would be the same.
    """
    torch._foreach_lerp_(momenta, gradients, 1 - momentum)
    return list(torch._foreach_lerp(gradients, momenta, momentum)) if nesterov else momenta
