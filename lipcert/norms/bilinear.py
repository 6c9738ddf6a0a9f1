"""Norms of bilinear forms xᵀ Uᵀ M V y through small matrices: proofs without a witness of their own.

For any L with W Wᵀ ⪯ L Lᵀ and any M:  |Wᵀ M|² = λ(Mᵀ W Wᵀ M) <= |Lᵀ M|². So a tall or wide W is replaced by its
*core* L, as large as W has rows, and |Uᵀ M V| <= |L_Uᵀ M L_V|.
"""

import numpy as np
from flint import arb
from jaxtyping import Float
from scipy.linalg import lapack

from lipcert.norms import ball
from lipcert.norms.dense import finite, frobenius_upper

Matrix = Float[np.ndarray, "m n"]

_TRIES = 4
_WIDEST = 600
"""Scaled by less than 2 to this power, a core loses to underflow far less than one of the roundoffs counted twice."""


def core(w: Matrix, error: arb) -> Float[np.ndarray, "m m"] | None:
    """A float64 L (m × m, lower triangular) with (W + E)(W + E)ᵀ ⪯ L Lᵀ for every |E|_F <= error; None: not found.

    G = fl(WWᵀ) errs by at most γ_n|W|_F² and (W + E)(W + E)ᵀ - WWᵀ by e(2|W|_F + e). With L the computed Cholesky
    factor of fl(G + δI), LLᵀ ⪰ G + δI - |LLᵀ - G - δI|_F, so δ has to cover these three and the residual, which is
    computed: γ_m|L|_F² bounds its own rounding. Any L that passes is a core, whatever made it.
    """
    scaled, exponent = finite(w)
    rows, columns = scaled.shape
    gram = scaled @ scaled.T
    size = frobenius_upper(scaled)
    error = error * arb(2) ** -exponent
    inherent = ball.gamma(columns + 2) * size**2 + error * (2 * size + error)
    for attempt in range(_TRIES):
        cushion = ball.up((inherent + ball.gamma(rows + 4) * size**2) * 4.0 ** (attempt + 1) + ball.UNDERFLOW)
        factor, failed = lapack.dpotrf(gram + cushion * np.eye(rows), lower=1, clean=1)
        if failed or not bool(np.isfinite(factor).all()):
            continue
        rest = factor @ factor.T - gram
        np.einsum("ii->i", rest)[...] -= cushion
        rounding = ball.gamma(rows + 4) * (frobenius_upper(factor) ** 2 + size**2 + arb(cushion) * rows)
        if frobenius_upper(rest) * (1 + ball.gamma(4)) + rounding + inherent <= arb(cushion):
            return np.ldexp(factor, exponent) if abs(exponent) < _WIDEST else None
    return None


def product_error(*factors: np.ndarray) -> arb:
    """A bound on |fl(A B …) - A B …|_F for products in any order: γ of all the sums, times the factors' norms.

    A stack among the factors counts with the largest of its matrices. What underflows in a product is multiplied
    by the factors that come after it.
    """
    terms = sum(factor.shape[-1] for factor in factors) + len(factors)
    size, lost = arb(1), ball.UNDERFLOW
    for factor in factors:
        norm = frobenius_upper(factor)
        size, lost = size * norm, lost * (1 + norm)
    return ball.gamma(2 * terms) * size + lost
