"""What once broke a guarantee of the constraints, each as it was found."""

from typing import Any

import pytest
import torch
from scipy.linalg import hadamard
from torch import Tensor, nn

from lipcert.norms import ball
from lipcert.norms.search import spectral_norm
from lipcert.training.constraints import AIM, CONSTRAINTS, Known
from lipcert.training.constraints.guarantee import Optimizer, guarantee
from lipcert.training.groups import roles
from lipcert.training.newton_schulz import ROUNDING, SETS, orthogonalise
from lipcert.training.optimizer import ConstrainedOptimizer, update_bound


def group(weight: nn.Parameter, method: Optimizer, constraint: str, **changes: Any) -> dict[str, Any]:
    return {
        "params": [weight], "names": ["w"], "role": "linear", "method": method, "lr": 0.1, "momentum": 0.0,
        "nesterov": False, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.0, "polynomials": "paper",
        "update_dtype": "float32", "constraint": constraint, "w_max": 1.0, "scales": [1.0], "row_cap": None,
    } | changes  # fmt: skip


def promised(of: dict[str, Any]) -> bool:
    update = update_bound(of, of["params"][0], 1.0)
    settings = {"w_max": of["w_max"], "lr": of["lr"], "decay": of["weight_decay"], "update": update}
    return guarantee(of["constraint"], of["method"], **settings).holds


def after(of: dict[str, Any], gradient: Tensor, steps: int = 1) -> float:
    """The proved norm after so many steps."""
    optimizer, weight = ConstrainedOptimizer([of]), of["params"][0]
    optimizer.start()
    weight.grad = gradient
    for _ in range(steps):
        optimizer.step()
    return ball.up(spectral_norm(weight.detach().numpy()).upper)


@pytest.mark.parametrize("method", ["muon", "adamw"])
def test_a_hard_cap_holds_where_the_decay_turns_weights_round(method: Optimizer) -> None:
    """(1 - λη) = -1.9: the step ends beyond the polynomial's range, and 3.6e30 came out."""
    settings = group(nn.Parameter(torch.eye(6)), method, "hard_cap", weight_decay=29.0)
    assert promised(settings)
    assert after(settings, -torch.eye(6)) <= 1


def test_nothing_is_promised_for_adamw_where_eps_is_so_small_that_squares_vanish_first() -> None:
    """Gradients of 1e-23: v is 0, m/eps is 1e6, and the norm became 4e5."""
    settings = group(nn.Parameter(torch.zeros(4, 4)), "adamw", "weight_decay", lr=0.01, weight_decay=5.0)
    gradient = torch.full((4, 4), -1e-23)
    assert promised(settings)
    assert after(settings, gradient) <= 1
    assert not promised(settings | {"eps": 1e-30})
    assert after(settings | {"eps": 1e-30, "params": [nn.Parameter(torch.zeros(4, 4))]}, gradient) > 1


@pytest.mark.parametrize("lost", [0.49, 1.49, 100.49])
def test_weight_decay_is_not_lost_to_rounding(lost: float) -> None:
    """1 - λη in float32 is a multiple of 2^-24: each of these steps shrank by too little, and grew by ηu."""
    weight = nn.Parameter(torch.from_numpy(hadamard(16)).float() / 4)
    settings = group(weight, "muon", "weight_decay")
    settings["weight_decay"] = update_bound(settings, weight, 1.0) / AIM
    settings["lr"] = lost * 2**-24 / settings["weight_decay"]
    assert promised(settings)
    peak = torch.full((16,), 0.151383)  # where the polynomials have their maximum, for a Frobenius norm of 1
    peak[-1] = (1 - 15 * 0.151383**2) ** 0.5
    assert after(settings, -torch.diag(peak), 2000) <= 1 - 0.9 * (1 - AIM)  # before: a fifth of the room used


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("logs", [(-1.3, -1.4, -2.2, -7.5), (-1.0, -2.8, -5.5, -8.0)])
def test_bfloat16_stays_within_its_margin_in_a_basis_of_equal_entries(name: str, logs: tuple[float, ...]) -> None:
    """By steps on Gram matrices a wide matrix came out with a singular value of 3.9; found by ascent."""
    draw, basis = torch.Generator().manual_seed(0), torch.from_numpy(hadamard(16)).float() / 4
    spectra = torch.tensor(logs).repeat(4) + 0.3 * torch.randn(32, 16, generator=draw)
    for _ in range(60):
        tried = torch.cat([spectra, spectra + 0.3 * torch.randn(spectra.shape, generator=draw)])
        wide = ((basis * tried.exp()[:, None]) @ basis).repeat(1, 1, 2)
        norms = torch.linalg.matrix_norm(orthogonalise(wide, SETS[name], torch.bfloat16).double(), 2)
        spectra = tried[norms.argsort(descending=True)[:32]]
    assert norms.max() <= SETS[name].largest + ROUNDING["bfloat16"] / 2


@pytest.mark.parametrize("shape", [(1, 2**20), (2**18, 1), (2, 2**20)])
@pytest.mark.parametrize("constraint", ["spectral_normalisation", "soft_cap", "hard_cap"])
def test_long_sums_do_not_lose_small_squares_after_a_large_one(constraint: str, shape: tuple[int, int]) -> None:
    """The bound of the norm of a row of 2^20 was 3 % below the truth."""
    x = torch.full(shape, (0.99 * 2**-24) ** 0.5)
    x.view(min(shape), -1)[:, :16] = 1
    x[0, 1:2] = x[1:2, 0] = 1
    tall = x.double() if shape[0] >= shape[1] else x.double().T
    norm = torch.linalg.matrix_norm(tall.T @ tall, 2).item() ** 0.5
    for size in (0.999, 1.2, 1.3):
        y = CONSTRAINTS[constraint].apply((x * (size / norm))[None], Known(1.0, 1.3, 0.0))[0].double()
        y = y if shape[0] >= shape[1] else y.T
        assert torch.linalg.matrix_norm(y.T @ y, 2).item() ** 0.5 <= 1


def test_a_kernel_in_two_convolutions_has_the_larger_scale_of_the_two() -> None:
    """Stride 4 alone has no overlap: the other layer's norm was up to twice the cap."""
    strided, dense = nn.Conv1d(1, 1, 4, stride=4, bias=False), nn.Conv1d(1, 1, 4, bias=False)
    dense.weight = strided.weight
    for model in (nn.Sequential(strided, dense), nn.Sequential(dense, strided)):
        assert [(part.name, part.scale) for part in roles(model)] == [("0.weight", 2.0)]
