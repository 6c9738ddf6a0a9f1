"""The constraints by name."""

from jaxtyping import Float
from torch import Tensor

from lipcert.training.constraints.hard_cap import hard_cap
from lipcert.training.constraints.known import Constraint, Known
from lipcert.training.constraints.normalisation import spectral_normalisation
from lipcert.training.constraints.soft_cap import soft_cap
from lipcert.training.constraints.stiefel import stiefel
from lipcert.training.constraints.svd_cap import svd_cap
from lipcert.training.constraints.top import spectral_hammer, spectral_weight_decay


def unchanged(x: Float[Tensor, "b m n"], known: Known) -> Float[Tensor, "b m n"]:
    """σ ← σ: no constraint, or one that the optimiser's decoupled decay has already applied."""
    return x


_PAPER = "arXiv 2507.13338"

CONSTRAINTS: dict[str, Constraint] = {
    "none": Constraint(unchanged, "σ", "the unconstrained baseline"),
    "weight_decay": Constraint(unchanged, "(1 - λη)σ before the update", "Loshchilov and Hutter 2019"),
    "spectral_weight_decay": Constraint(spectral_weight_decay, "σ₁ ← (1 - λη)σ₁, by power iteration", _PAPER),
    "spectral_normalisation": Constraint(
        spectral_normalisation, "σ·min(1, cap/s), s >= σ₁ proved", "Miyato et al. 2018; the bound by Gram powers"
    ),
    "soft_cap": Constraint(soft_cap, "y + αy³ with y = σ - ασ³", _PAPER),
    "hard_cap": Constraint(
        hard_cap, "min(σ, cap) within 0.6 %, a polynomial", "minimax search, enclosed by ball arithmetic"
    ),
    "spectral_hammer": Constraint(spectral_hammer, "σ₁ ← cap, by power iteration", _PAPER),
    "stiefel": Constraint(stiefel, "cap, by Newton-Schulz", _PAPER),
    "svd_cap": Constraint(svd_cap, "min(σ, cap), by SVD", "Eckart and Young 1936"),
}
