"""The harness trusts no attack: what one returns is looked at again."""

from fractions import Fraction

import pytest
import torch

from lipcert.attacks.budget import Effort
from lipcert.attacks.harness import run
from lipcert.attacks.measure import FAILED
from lipcert.attacks.plan import Plan
from lipcert.attacks.target import Target
from lipcert.errors import InputError
from lipcert.norms.norm import NORMS, TOKEN_RMS
from tests.unit.attack.attacked import CHEATS, attacked
from tests.unit.attack.networks import classifier, images, plan


@pytest.mark.parametrize(
    ("cheat", "reason"),
    [
        ("far", "outside the norm"),
        ("barely_far", "outside the norm"),
        ("shape", "wrong type or shape"),
        ("nothing", "wrong type or shape"),
        ("nan", "NaN or infinity"),
        ("in_place", "outside the norm"),
    ],
)
def test_what_a_cheating_attack_returns_is_rejected(cheat: str, reason: str) -> None:
    found = attacked(CHEATS + cheat)
    assert found.robust_accuracy == [1.0, 1.0]
    assert all(attempt.rejected == {reason: 40} for attempt in found.attempts)
    assert found.radius.isinf().all()


def test_what_leaves_the_range_is_rejected() -> None:
    network = classifier()
    black = torch.zeros(3, 3, 8, 8)
    with torch.no_grad():
        found = run(Target(network), black, network(black).argmax(1), plan(CHEATS + "out_of_range"))
    assert found.attempts[0].rejected == {"outside the range": 3}


@pytest.mark.parametrize("norm", NORMS.values(), ids=lambda norm: norm.name)
def test_some_positions_alone_move(norm: object) -> None:
    network = classifier()
    x, y = images(network)
    free = torch.arange(8) < 3
    threat = Plan(norm, (Fraction(1, 10),), ("fgsm", "pgd", "apgd-ce", "minimal"), Effort(5), 0.0, 1.0, free)  # type: ignore[arg-type]
    found = run(Target(network), x, y, threat)
    assert found.fooled.any()
    assert all(not attempt.rejected for attempt in found.attempts)
    assert torch.equal(found.adversarial[..., ~free, :], x[..., ~free, :])
    cheat = Plan(TOKEN_RMS, (Fraction(1),), (CHEATS + "out_of_range",), Effort(5), positions=free)
    assert "moved a fixed position" in run(Target(network), x, y, cheat).attempts[0].rejected


def test_an_attack_that_returns_the_clean_input_fools_nothing() -> None:
    found = attacked(CHEATS + "clean")
    assert bool((found.outcome == FAILED).all())
    assert all(not attempt.rejected for attempt in found.attempts)


def test_an_attack_that_rounds_outside_is_moved_in_and_counts() -> None:
    honest, rounded = attacked("fgsm"), attacked(CHEATS + "by_rounding")
    assert rounded.robust_accuracy == honest.robust_accuracy
    assert all(not attempt.rejected for attempt in rounded.attempts)
    assert bool((rounded.radius[rounded.radius.isfinite()] <= 0.02).all())


def test_an_attack_that_changes_weights_is_noticed() -> None:
    with pytest.raises(InputError, match=r"changed weights of the network: 1\.weight"):
        attacked(CHEATS + "weights")


def test_an_input_on_which_the_network_returns_nan_is_no_success() -> None:
    network = classifier()
    x, y = images(network)

    def broken(z: torch.Tensor) -> torch.Tensor:
        moved = (z != x[: len(z)]).flatten(1).any(1) if len(z) == len(x) else torch.ones(len(z)).bool()
        return network(z).masked_fill(moved[:, None], torch.nan)

    found = run(Target(broken), x, y, plan(CHEATS + "by_rounding"))
    assert found.attempts[0].rejected == {"the network returns NaN there": 40}
    assert found.robust_accuracy == [1.0]
