"""The optimiser itself, fed with gradients of the weights' own norms: the worst loss a guarantee can meet."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lipcert.norms import ball
from lipcert.norms.search import spectral_norm
from lipcert.training.constraints.guarantee import Optimizer, guarantee
from lipcert.training.optimizer import ConstrainedOptimizer, update_bound

W_MAX = 1.5
SHAPES = [(12, 5), (5, 12), (6, 6), (6, 6), (4, 3, 2, 2)]


def group(weights: list[nn.Parameter], method: Optimizer, constraint: str, lr: float) -> dict[str, Any]:
    return {
        "params": weights, "names": [str(i) for i in range(len(weights))], "role": "linear", "method": method,
        "lr": lr, "momentum": 0.9, "nesterov": True, "betas": (0.9, 0.95), "eps": 1e-12, "weight_decay": 0.0,
        "polynomials": "paper", "update_dtype": "float32", "constraint": constraint, "w_max": W_MAX,
        "scales": [(w.flatten(1).shape[1] / len(w)) ** 0.5 for w in weights], "row_cap": None,
    }  # fmt: skip


def norms(of: dict[str, Any]) -> list[float]:
    matrices = [w.detach().flatten(1).numpy() for w in of["params"]]
    return [ball.up(spectral_norm(w).upper * r) for w, r in zip(matrices, of["scales"], strict=True)]


def ascent(weights: list[nn.Parameter], nuclear: bool) -> Tensor:
    return -sum(
        (torch.linalg.svdvals(w.flatten(1)).sum() if nuclear else torch.linalg.matrix_norm(w.flatten(1), 2))
        for w in weights
    )  # type: ignore[return-value]


@pytest.mark.parametrize("nuclear", [True, False])
@pytest.mark.parametrize("size", [0.01, 1e6])
@pytest.mark.parametrize("method", ["muon", "adamw"])
@pytest.mark.parametrize(
    "constraint", ["weight_decay", "soft_cap", "hard_cap", "spectral_normalisation", "stiefel", "svd_cap"]
)
def test_gradient_ascent_on_the_norms_never_gets_above_the_cap(
    constraint: str, method: Optimizer, size: float, nuclear: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(size * torch.randn(shape, generator=generator)) for shape in SHAPES]
    lr = 0.2 if method == "muon" else 0.01
    settings = group(weights, method, constraint, lr)
    updates = [update_bound(settings, w, r) for w, r in zip(weights, settings["scales"], strict=True)]
    if constraint == "weight_decay":
        settings["weight_decay"] = max(updates) / (W_MAX * (1 - 2.0**-12))
    for update in updates:
        decay = settings["weight_decay"]
        promised = guarantee(constraint, method, w_max=W_MAX, lr=lr, decay=decay, update=update)
        assert promised.holds, promised.why
    optimizer = ConstrainedOptimizer([settings])
    optimizer.start()
    assert max(norms(settings)) <= W_MAX
    for step in range(25):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / 25)
        optimizer.zero_grad()
        ascent(weights, nuclear).backward()
        optimizer.step()
        assert max(norms(settings)) <= W_MAX
