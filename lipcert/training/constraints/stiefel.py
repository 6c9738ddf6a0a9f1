"""The Stiefel projection: every singular value at the cap."""

from jaxtyping import Float
from torch import Tensor

from lipcert.training.constraints.known import Known
from lipcert.training.newton_schulz import SETS, Polynomials, orthogonalise

_POLISH = (15 / 8, -10 / 8, 3 / 8)
"""x(15 - 10x² + 3x⁴)/8 rises from 0 to 1 on [0, 1] and has two derivatives zero at 1."""

STEPS = Polynomials((*SETS["paper"].steps, _POLISH), 1.0)
"""The paper's six steps never exceed 1 on [0, 1], so neither does what follows them."""


def stiefel(x: Float[Tensor, "b m n"], known: Known) -> Float[Tensor, "b m n"]:
    """X ← aim·UVᵀ by Newton-Schulz: never above the aim, whatever X is, since it starts from X/‖X‖_F.

    Singular values above 2^-9·‖X‖_F come within 10^-6 of the aim; smaller ones stay below it, and zero stays zero.
    """
    return orthogonalise(x, STEPS) * known.aim
