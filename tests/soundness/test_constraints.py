"""No step of a guaranteed pair of optimiser and constraint leaves a weight above its cap, by its proved norm."""

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard
from torch import Tensor

from lipcert.norms import ball
from lipcert.norms.search import spectral_norm
from lipcert.training.constraints import AIM, CONSTRAINTS, Known, bring_under
from lipcert.training.constraints.guarantee import Optimizer, guarantee
from lipcert.training.constraints.soft_cap import MONOTONE, VALID
from lipcert.training.newton_schulz import update_norm
from lipcert.training.updates import adamw_largest

ALWAYS = ("spectral_normalisation", "hard_cap", "stiefel", "svd_cap")
GUARANTEED = ("weight_decay", "soft_cap", *ALWAYS)
UNGUARANTEED = ("none", "spectral_weight_decay", "spectral_hammer")
SHAPES = [(1, 7), (7, 1), (6, 6), (12, 5), (5, 12)]
OPTIMIZERS: tuple[Optimizer, ...] = ("muon", "adamw")
CAP = 0.75
PUSHES = ("all", "top", "turned", "random")


def proved(weights: Tensor) -> float:
    return ball.up(spectral_norm(weights.numpy()).upper)


def largest_update(optimizer: Optimizer, shape: tuple[int, int]) -> float:
    return (
        update_norm("paper", "float32") if optimizer == "muon" else adamw_largest((0.9, 0.95)) * math.prod(shape) ** 0.5
    )


def push(w: Tensor, optimizer: Optimizer, how: str, generator: torch.Generator) -> Tensor:
    """An update as long as this optimiser's can be, which lifts singular values when lr times it is taken away."""
    u, _, v = torch.linalg.svd(w.double(), full_matrices=False)
    if how == "random":
        u, _, v = torch.linalg.svd(torch.randn(w.shape, generator=generator, dtype=torch.float64), full_matrices=False)
    if how == "turned":
        u = u.flip(2)
    direction = u[:, :, :1] @ v[:, :1] if how == "top" else u @ v
    if optimizer == "muon":
        return -direction.float() * largest_update(optimizer, w.shape[1:])
    if how != "all":  # of rank one: with entries of this size nothing is longer
        direction = u[:, :, :1].sign() @ v[:, :1].sign()
    return torch.where(direction < 0, 1.0, -1.0) * adamw_largest((0.9, 0.95))


def walk(
    constraint: str, optimizer: Optimizer, w: Tensor, how: str, lr: float, decay: float, steps: int
) -> Iterator[Tensor]:
    """The weights after every step, as the optimiser makes them, with lr falling linearly to almost 0."""
    generator = torch.Generator().manual_seed(0)
    w = bring_under(w, CAP)
    yield w
    for step in range(steps):
        now = lr * (1 - step / steps)
        w = w * (1 - now * decay) if constraint != "spectral_weight_decay" else w
        w = torch.sub(w, push(w, optimizer, how, generator), alpha=now)
        reach = (1 - now * decay) * CAP + now * largest_update(optimizer, w.shape[1:])
        w = CONSTRAINTS[constraint].apply(w, Known(CAP, reach, now * decay))
        yield w


def tuned(constraint: str, optimizer: Optimizer, shape: tuple[int, int], share: float) -> tuple[float, float]:
    """lr and decay: steps that reach cap·(1 + share); for weight decay the decay that holds the cap."""
    update = largest_update(optimizer, shape)
    return share * CAP / update, update / (CAP * AIM) if constraint == "weight_decay" else 0.0


def start(shape: tuple[int, int], size: float) -> Tensor:
    return size * torch.randn((2, *shape), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("constraint", GUARANTEED)
def test_no_push_from_any_start_lifts_a_weight_above_its_cap(
    constraint: str, optimizer: Optimizer, shape: tuple[int, int]
) -> None:
    lr, decay = tuned(constraint, optimizer, shape, 0.3)
    promised = guarantee(constraint, optimizer, w_max=CAP, lr=lr, decay=decay, update=largest_update(optimizer, shape))
    assert promised.holds, promised.why
    for how in PUSHES:
        for size in (0.0, 1.0, 1e30):
            for w in walk(constraint, optimizer, start(shape, size), how, lr, decay, 8):
                assert proved(w) <= CAP


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("share", [1.0, 30.0])
@pytest.mark.parametrize("constraint", ALWAYS)
def test_steps_far_beyond_every_range_end_under_the_cap_too(
    constraint: str, share: float, optimizer: Optimizer
) -> None:
    lr, decay = tuned(constraint, optimizer, (12, 5), share)
    for how in PUSHES:
        for w in walk(constraint, optimizer, start((12, 5), 1.0), how, lr, decay, 12):
            assert proved(w) <= CAP


@pytest.mark.parametrize("share", [0.5, 1.0, 1.6])
def test_the_soft_cap_holds_up_to_twice_the_published_range(share: float) -> None:
    lr, _ = tuned("soft_cap", "muon", (12, 5), share)
    assert guarantee("soft_cap", "muon", w_max=CAP, lr=lr, decay=0.0, update=largest_update("muon", (12, 5))).holds
    for how in PUSHES:
        for w in walk("soft_cap", "muon", start((12, 5), 1.0), how, lr, 0.0, 40):
            assert proved(w) <= CAP


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("constraint", GUARANTEED)
def test_rounding_never_adds_up_to_the_margin(constraint: str, optimizer: Optimizer) -> None:
    shape = (20, 12)
    lr, decay = tuned(constraint, optimizer, shape, 0.1)
    for how in ("all", "random"):
        for w in walk(constraint, optimizer, start(shape, 1.0), how, lr, decay, 3000):
            assert proved(w) <= CAP * (1 + AIM) / 2  # half of the room is never used


@pytest.mark.parametrize("constraint", ["soft_cap", "hard_cap", "spectral_normalisation"])
def test_ascent_on_singular_values_finds_none_that_ends_above(constraint: str) -> None:
    reach = 1.3 * CAP
    sigma = (
        torch.rand(64, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * reach
    ).requires_grad_()
    optimizer = torch.optim.Adam([sigma], lr=0.01)
    for _ in range(150):
        out = CONSTRAINTS[constraint].apply(torch.diag_embed(sigma), Known(CAP, reach, 0.0))
        tops = torch.linalg.matrix_norm(out, ord=2)
        assert tops.max() <= CAP
        optimizer.zero_grad()
        (-tops.sum()).backward()
        optimizer.step()
        with torch.no_grad():
            sigma.clamp_(0, reach)


@given(
    sigma=st.lists(st.floats(0, 1.25, width=32), min_size=1, max_size=8),
    longer=st.integers(0, 9),
    seed=st.integers(0, 2**31),
    wide=st.booleans(),
    constraint=st.sampled_from(("soft_cap", *ALWAYS)),
)
def test_no_spectrum_within_reach_ends_above_the_cap(
    sigma: list[float], longer: int, seed: int, wide: bool, constraint: str
) -> None:
    generator = torch.Generator().manual_seed(seed)
    n = len(sigma)
    left, right = (
        torch.linalg.qr(torch.randn(size, n, generator=generator, dtype=torch.float64))[0] for size in (n + longer, n)
    )
    x = ((left * torch.tensor(sigma, dtype=torch.float64)) @ right.mT * CAP).float()[None]
    x = x.mT if wide else x
    assert proved(CONSTRAINTS[constraint].apply(x, Known(CAP, 1.25 * CAP, 0.0))) <= CAP


@pytest.mark.parametrize("constraint", UNGUARANTEED)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_is_called_unguaranteed_can_be_broken(constraint: str, optimizer: Optimizer) -> None:
    """Equal singular values that all grow, while one at a time is looked after; entries of equal size serve AdamW."""
    update = largest_update(optimizer, (8, 8))
    lr = 0.3 * CAP / update
    decay = update / (CAP * AIM) if constraint == "spectral_weight_decay" else 0.0  # enough, were it of all of them
    assert not guarantee(constraint, optimizer, w_max=CAP, lr=lr, decay=decay, update=update).holds
    w = torch.from_numpy(hadamard(8)).float()[None]
    assert max(proved(w) for w in walk(constraint, optimizer, w, "all", lr, decay, 40)) > 1.2 * CAP


def test_too_little_weight_decay_can_be_broken() -> None:
    update = largest_update("muon", (6, 6))
    lr, decay = 0.2 * CAP / update, 0.5 * update / CAP
    assert not guarantee("weight_decay", "muon", w_max=CAP, lr=lr, decay=decay, update=update).holds
    assert max(proved(w) for w in walk("weight_decay", "muon", start((6, 6), 1.0), "all", lr, decay, 20)) > 1.2 * CAP


def test_a_soft_cap_beyond_twice_its_range_can_be_broken() -> None:
    lr, _ = tuned("soft_cap", "muon", (6, 6), 2.2)
    assert not guarantee("soft_cap", "muon", w_max=CAP, lr=lr, decay=0.0, update=largest_update("muon", (6, 6))).holds
    assert max(proved(w) for w in walk("soft_cap", "muon", start((6, 6), 1.0), "all", lr, 0.0, 1)) > 1.2 * CAP


def test_the_published_coupling_beyond_its_range_lets_singular_values_rise_above_the_cap() -> None:
    """k = 2: the root of -k⁹α⁴ + 3k⁷α³ - 3k⁵α² + k - 1 = 0 has p(k) = 1, but smaller values end at 1.19."""
    k = 2.0
    assert MONOTONE < k < VALID
    low, high = 0.0, 1 / k**2
    for _ in range(80):  # 1 - 3β² + 3β³ - β⁴ falls on [0, 1], β = αk²
        alpha = (low + high) / 2
        beta = alpha * k**2
        low, high = (alpha, high) if k * (1 - 3 * beta**2 + 3 * beta**3 - beta**4) > 1 else (low, alpha)
    x = torch.linspace(0, k, 2001, dtype=torch.float64)
    y = x - alpha * x**3
    p = y + alpha * y**3
    assert p[-1].item() == pytest.approx(1)
    assert p.max().item() == pytest.approx(1.19, abs=0.005)
