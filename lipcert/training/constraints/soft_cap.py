"""The spectral soft cap of arXiv 2507.13338: an odd polynomial on all singular values, coupled to the last step."""

import torch
from jaxtyping import Float
from torch import Tensor

from lipcert.training.constraints.gram import add_product, gram
from lipcert.training.constraints.known import Known

MONOTONE = 81 / 62
"""Up to this k (in units of the aim) there is an α for which the polynomial rises on all of [0, k]."""

VALID = 81 / 31
"""Up to this k the α of 81/62 holds every singular value under the aim."""

SLACK = 2.0**-16
"""A step may end this share above the aim by rounding: the k of the next one counts it and takes it away again."""


def soft_cap(x: Float[Tensor, "b m n"], known: Known) -> Float[Tensor, "b m n"]:
    """σ ← p(σ) = y + αy³ with y = σ - ασ³, in units of the aim, α coupled to the step: p(k) = 1.

    p(σ) = σ(1 - 3α²σ⁴ + 3α³σ⁶ - α⁴σ⁸), so with G = XᵀX it is X + X·G²(-3α² + 3α³G - α⁴G²): four products, two of
    them of the smaller side alone. As 0 <= p' <= (1 - 3ασ²)(1 + 3ασ²) <= 1 on [0, k], no rounding grows.
    """
    k = step_reach(known) / known.aim
    if isinstance(k, float) and k <= 1:
        return x
    alpha = torch.as_tensor(coupling(k), dtype=x.dtype, device=x.device).reshape(-1, 1, 1)
    g = gram(x, known.aim)
    square = g @ g
    inner = torch.addcmul(3 * alpha**3 * g, alpha**4, square, value=-1)
    inner.diagonal(dim1=1, dim2=2).sub_(3 * alpha[:, 0] ** 2)
    return add_product(x, square @ inner)


def step_reach(known: Known) -> float | Tensor:
    """No σ is above it now if none was above aim·(1 + SLACK) before the step, as the step before left them."""
    return known.reach - (1 - known.decay) * (known.cap - known.aim * (1 + SLACK))


def coupling(k: float | Tensor) -> float | Tensor:
    """α for singular values up to k, in units of the aim: 0 for k <= 1, that of 81/62 for k > 81/62.

    With β = αk² the equation -k⁹α⁴ + 3k⁷α³ - 3k⁵α² + k - 1 = 0 is φ(β) = 3β² - 3β³ + β⁴ - q = 0, q = 1 - 1/k.
    p rises on [0, k] where σ - ασ³ does, that is for β <= 1/3; φ rises there and φ(1/3) = 19/81 - q, so that there
    is a root for k <= 81/62. φ is convex there and φ >= 2β² - q, so Newton's method from √(q/2) falls towards
    it, and every iterate has p(k) <= 1.

    With s = 81/62 and 3αs² = 1, |σ - ασ³| <= 2s/3 on [0, 2s] (Chebyshev's cubic), and y + αy³ is odd and rises, so
    |p| <= p(s) = 1 on [0, 2s], though p falls beyond s. Beyond 2s |p| > 1.
    """
    within = k.clamp(1, MONOTONE) if isinstance(k, Tensor) else min(max(k, 1.0), MONOTONE)
    q = 1 - 1 / within
    beta = (q / 2) ** 0.5 + 1e-20  # never 0: it divides
    for _ in range(_NEWTON_STEPS):
        beta = beta - (beta**2 * (3 - 3 * beta + beta**2) - q) / (beta * (6 - 9 * beta + 4 * beta**2))
    return beta / within**2


_NEWTON_STEPS = 6
