"""The optimiser: its updates beside PyTorch's, caps after every step, state that is saved and read back."""

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lipcert import architectures
from lipcert.norms.search import spectral_norm
from lipcert.training.groups import groups, roles
from lipcert.training.newton_schulz import SETS, update_norm
from lipcert.training.optimizer import ConstrainedOptimizer, update_bound
from lipcert.training.updates import adamw, adamw_largest, muon
from tests.unit.training.recipes import gpt, recipe, started, take

GUARANTEED = ["soft_cap", "hard_cap", "svd_cap", "spectral_normalisation", "stiefel", "weight_decay"]


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def gradients(model: nn.Module, step: int) -> None:
    draw = torch.Generator().manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=draw)


def of_theirs(theirs: torch.optim.Optimizer, model: nn.Module, steps: int) -> Tensor:
    for step in range(steps):
        gradients(model, step)
        theirs.step()
    return weights(model)


def test_adamw_is_that_of_pytorch() -> None:
    ours, theirs = gpt(bias=True), gpt(bias=True)
    optimizer = started(ours, optimizer="adamw", lr=1e-2, weight_decay=0.1, eps=1e-6)
    matrices = [part.parameter for part in roles(theirs) if part.role in ("linear", "head")]
    others = [part.parameter for part in roles(theirs) if part.role not in ("linear", "head")]
    their_groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    expected = of_theirs(torch.optim.AdamW(their_groups, lr=1e-2, betas=(0.9, 0.95), eps=1e-6), theirs, 20)
    assert torch.allclose(of_theirs(optimizer, ours, 20), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_moves_as_that_of_pytorch(nesterov: bool) -> None:
    """Theirs computes in bfloat16, and has another factor for the shape."""
    ours, theirs = nn.Linear(24, 12, bias=False), nn.Linear(24, 12, bias=False)
    theirs.load_state_dict(ours.state_dict())
    start = ours.weight.detach().clone()
    changes = {"newton_schulz": "jordan", "nesterov": nesterov, "momentum": 0.9}
    optimizer = ConstrainedOptimizer(groups(nn.Sequential(ours), recipe(**changes)))
    reference = torch.optim.Muon(theirs.parameters(), lr=0.05, weight_decay=0.0, momentum=0.9, nesterov=nesterov)
    for step in range(3):
        moved = of_theirs(optimizer, ours, step + 1) - start.flatten()
        expected = of_theirs(reference, theirs, step + 1) - start.flatten()
        assert nn.functional.cosine_similarity(moved, expected, dim=0) > 0.99


def test_an_update_of_muon_has_the_norm_that_lr_says() -> None:
    model = nn.Sequential(nn.Linear(16, 32, bias=False), nn.ReLU(), nn.Linear(32, 4, bias=False))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = ConstrainedOptimizer(groups(model, recipe(lr=0.25)))
    gradients(model, 0)
    optimizer.step()
    for part, old in zip(roles(model), before, strict=True):
        moved = part.scale * torch.linalg.matrix_norm(part.parameter.detach() - old, 2)
        assert 0.25 * 0.9 < moved <= 0.25 * update_norm("paper", "float32")


def test_kernels_are_moved_as_matrices() -> None:
    model = architectures.build("cnn", {"in_channels": 2, "classes": 3, "stages": [4, 8], "batch_norm": False})
    optimizer = ConstrainedOptimizer(groups(model, recipe(constraint="svd_cap", w_max=0.5)))
    optimizer.start()
    for step in range(3):
        gradients(model, step)
        optimizer.step()
    for part in roles(model):
        if part.role != "vector":
            assert norm(part.parameter, part.scale) <= 0.5


def norm(weight: Tensor, scale: float) -> float:
    """Proved."""
    return float(spectral_norm(weight.detach().double().flatten(1).numpy()).upper) * scale


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("constraint", GUARANTEED)
def test_weights_are_under_their_caps_from_the_start_and_after_every_step(constraint: str, optimizer: str) -> None:
    model = gpt()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(50)
    changes: dict[str, Any] = {"constraint": constraint, "w_max": 1.5, "head_w_max": 0.5, "embedding_cap": 1.0}
    trained = started(model, optimizer=optimizer, lr=0.1 if optimizer == "muon" else 1e-3, **changes)
    for step in range(6):
        for part in roles(model):
            if part.role == "embedding":
                assert part.parameter.detach().double().square().mean(1).sqrt().max() <= 1.0
            else:
                assert norm(part.parameter, part.scale) <= (0.5 if part.role == "head" else 1.5), part.name
        take(1, model, trained, first=step)


def test_a_start_under_the_caps_changes_nothing() -> None:
    model = gpt()
    before = weights(model)
    started(model, constraint="soft_cap", w_max=1.1, head_w_max=1.1, embedding_cap=1.1)
    assert torch.equal(weights(model), before)


def test_a_weight_without_a_gradient_is_left_alone() -> None:
    model = gpt()
    optimizer = started(model, weight_decay=0.1)
    gradients(model, 0)
    kept = model.get_parameter("blocks.0.mlp.input.weight")
    kept.grad, before = None, kept.detach().clone()
    optimizer.step()
    assert torch.equal(kept, before)


def test_the_closure_is_called_and_its_loss_returned() -> None:
    model = gpt()
    optimizer = started(model)

    def loss() -> float:
        assert torch.is_grad_enabled()
        gradients(model, 0)
        return 3.0

    assert optimizer.step(loss) == 3.0


@pytest.mark.parametrize(("optimizer", "constraint"), [("muon", "soft_cap"), ("adamw", "svd_cap"), ("muon", "none")])
def test_a_run_that_is_saved_and_read_back_goes_on_bit_by_bit(optimizer: str, constraint: str) -> None:
    changes = {"optimizer": optimizer, "constraint": constraint, "w_max": None if constraint == "none" else 2.0}
    whole = gpt()
    take(6, whole, started(whole, **changes))

    first = gpt()
    trained = started(first, **changes)
    take(3, first, trained)
    file = io.BytesIO()
    torch.save({"model": first.state_dict(), "optimizer": trained.state_dict()}, file)
    saved = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    second = gpt()
    resumed = started(second, **changes)
    second.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["optimizer"])
    take(3, second, resumed, first=3)
    assert torch.equal(weights(second), weights(whole))


def test_lr_may_change_from_step_to_step() -> None:
    model = gpt()
    optimizer = started(model, constraint="soft_cap", w_max=2.0)
    before = weights(model)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    gradients(model, 0)
    optimizer.step()
    assert torch.allclose(weights(model), before, atol=1e-6)


def test_spectral_weight_decay_decays_the_top_singular_value_alone() -> None:
    model = nn.Sequential(nn.Linear(6, 6, bias=False))
    nn.init.eye_(model[0].weight).data[0, 0] = 4.0  # type: ignore[operator]
    changes = {"constraint": "spectral_weight_decay", "weight_decay": 2.0, "lr": 0.05}
    optimizer = ConstrainedOptimizer(groups(model, recipe(**changes)))
    optimizer.start()
    model[0].weight.grad = torch.zeros(6, 6)
    optimizer.step()
    sigma = torch.linalg.svdvals(model[0].weight.detach())
    assert torch.allclose(sigma, torch.tensor([3.6, 1, 1, 1, 1, 1]), atol=1e-3)


def attack(betas: tuple[float, float], steps: int) -> float:
    """The entry that gradients along Cauchy and Schwarz's equality reach: g = p/q, the newest largest."""
    first, second = betas
    ages = torch.arange(steps - 1, -1, -1, dtype=torch.float64)
    chosen = (first / second) ** ages
    moments = [torch.zeros(1, dtype=torch.float64)], [torch.zeros(1, dtype=torch.float64)]
    for step, gradient in enumerate(chosen, 1):
        (direction,) = adamw([gradient[None]], *moments, [step], betas, 1e-30)
    return float(direction)


@pytest.mark.parametrize("betas", [(0.9, 0.95), (0.9, 0.99), (0.0, 0.95), (0.95, 0.95), (0.5, 0.5)])
def test_adamw_comes_near_its_largest_entry_and_never_above(betas: tuple[float, float]) -> None:
    reached = [attack(betas, steps) for steps in (1, 2, 3, 10, 100, 3000)]
    assert 0.99 * adamw_largest(betas) < max(reached) <= adamw_largest(betas)


def test_adamw_is_unbounded_where_it_remembers_gradients_longer_than_squares() -> None:
    assert adamw_largest((0.9, 0.5)) == float("inf")
    assert attack((0.9, 0.5), 40) > 1000


def test_update_bounds_are_rms_to_rms() -> None:
    group = {"method": "muon", "polynomials": "jordan", "update_dtype": "bfloat16"}
    assert update_bound(group, torch.zeros(4, 9), 1.5) == update_norm("jordan", "bfloat16") > SETS["jordan"].largest
    group = {"method": "adamw", "betas": (0.9, 0.95), "eps": 1e-8}
    assert update_bound(group, torch.zeros(4, 9), 1.5) == pytest.approx(1.5 * 6 * adamw_largest((0.9, 0.95)))


def test_momentum_is_a_heavy_ball_over_its_mass() -> None:
    ball, momenta = torch.zeros(3), [torch.zeros(3)]
    for step in range(4):
        gradient = torch.randn(3, generator=torch.Generator().manual_seed(step))
        ball = 0.9 * ball + gradient
        (ahead,) = muon([gradient], momenta, 0.9, nesterov=True)
        assert torch.allclose(momenta[0] / 0.1, ball)
        assert torch.allclose(ahead / 0.1, gradient + 0.9 * ball)
    assert muon([gradient], momenta, 0.9, nesterov=False) == momenta
