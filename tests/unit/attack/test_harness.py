"""The harness: it trusts no attack, leaves nothing changed, and finds the same however examples are batched."""

from fractions import Fraction

import pytest
import torch
from torch import nn

from lipcert.attacks.budget import Effort
from lipcert.attacks.harness import run
from lipcert.attacks.measure import FAILED, FOOLED, NOT_TRIED
from lipcert.attacks.plan import Plan
from lipcert.attacks.result import AttackResult, join
from lipcert.attacks.target import Target
from lipcert.errors import InputError, UnsupportedError, UsageError
from lipcert.norms.norm import L2, LINF, NORMS, TOKEN_RMS
from lipcert.workspace.schema import ATTACK_NAMES, Suite
from tests.unit.attack.networks import classifier, images, plan

CHEATS = "tests.unit.attack.cheats:"


def attacked(*names: str, count: int = 40, batch: int = 128, seed: int = 0) -> AttackResult:
    network = classifier()
    x, y = images(network, count)
    return run(Target(network), x, y, plan(*names, eps=("1/200", "1/50")), seed=seed, batch=batch)


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


def test_every_eps_and_attack_and_the_worst_case() -> None:
    found = attacked("fgsm", "pgd", "square")
    assert found.eps == (Fraction(1, 200), Fraction(1, 50))
    assert found.robust_accuracy == sorted(found.robust_accuracy, reverse=True)
    assert found.robust_accuracy[1] < found.robust_accuracy[0] < 1.0
    fooled_by_first = found.outcome[:, 0] == FOOLED
    assert bool((found.outcome[:, 1:].transpose(0, 1)[:, fooled_by_first] == NOT_TRIED).all())
    assert bool((found.outcome[1, :, fooled_by_first[0]] == NOT_TRIED).all())
    assert all(attempt.forward >= attempt.tried for attempt in found.attempts)
    assert next(attempt for attempt in found.attempts if attempt.attack == "square").backward == 0


def test_the_stored_points_are_what_is_claimed() -> None:
    network = classifier()
    x, y = images(network)
    found = run(Target(network), x, y, plan("pgd", "minimal", eps=("1/200", "1/50")))
    hits = found.radius.isfinite()
    assert torch.equal(hits, found.fooled[-1])
    assert torch.equal(LINF.of(found.adversarial.double() - x.double())[hits], found.radius[hits])
    with torch.no_grad():
        assert bool((network(found.adversarial).argmax(1) != y)[hits].all())
    assert torch.equal(found.adversarial[~hits], x[~hits])
    assert bool((found.margin64[hits] < 0).all())
    assert not found.unsure.any()
    assert list(found.frame()["robust_1/50"]) == found.robust[1].tolist()


def test_the_nearest_serves_every_eps_in_one_run() -> None:
    found = attacked("minimal")
    assert len(found.attempts) == 1
    for eps, fooled in zip(found.eps, found.fooled, strict=True):
        assert torch.equal(fooled, found.radius <= float(eps))


@pytest.mark.parametrize("name", ATTACK_NAMES)
def test_batches_and_shards_change_nothing(name: str) -> None:
    whole, parts = attacked(name), attacked(name, batch=7)
    assert torch.equal(whole.outcome, parts.outcome)
    assert torch.allclose(whole.adversarial, parts.adversarial, atol=1e-4)
    network = classifier()
    x, y = images(network)
    shards = [
        run(Target(network), x[rows], y[rows], whole_plan(name), examples=rows) for rows in torch.arange(40).split(16)
    ]
    joined = join(shards)
    assert torch.equal(joined.outcome, whole.outcome)
    assert torch.equal(joined.examples, torch.arange(40))
    assert [each.tried for each in joined.attempts] == [each.tried for each in whole.attempts]


def whole_plan(name: str) -> Plan:
    return plan(name, eps=("1/200", "1/50"))


def test_the_seed_is_what_makes_the_difference() -> None:
    first, again, other = (attacked("pgd", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.adversarial, again.adversarial)
    assert not torch.equal(first.adversarial, other.adversarial)


def test_results_of_different_runs_do_not_join() -> None:
    with pytest.raises(ValueError, match="different runs"):
        join([attacked("fgsm"), attacked("fgsm", seed=1)])


def test_modes_parameters_and_inputs_are_as_they_were() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.Dropout(),
        nn.ReLU(),
        nn.Flatten(),
        nn.BatchNorm1d(144),
        nn.Linear(144, 5),
    )
    network[1].eval()  # frozen, in a network that trains
    network[6].weight.requires_grad_(False)
    x = torch.rand(10, 3, 8, 8)
    with Target(network).frozen(), torch.no_grad():
        y = network(x).argmax(1)
    modes = [module.training for module in network.modules()]
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    state = {key: value.clone() for key, value in network.state_dict().items()}
    before = x.clone(), y.clone()
    names = ("fgsm", "pgd", "apgd-t", "minimal", "square", "torchattacks:PGD", CHEATS + "in_place")
    found = run(Target(network), x, y, plan(*names, steps=3))
    assert found.accuracy == 1.0
    assert [module.training for module in network.modules()] == modes
    assert modes.count(False) == 1
    assert [parameter.requires_grad for parameter in network.parameters()] == wanted
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])


def test_modes_are_restored_when_something_fails() -> None:
    network = classifier().train()
    x, y = images(network, 4)
    with pytest.raises(InputError, match="changed weights"):
        run(Target(network), x, y, plan(CHEATS + "weights"))
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 5]), "label 5; the network has classes 0 to 4"),
        (torch.tensor([0, -1]), "label -1"),
        (torch.tensor([0, 1, 2]), "for 2 inputs"),
        (torch.tensor([0.0, 1.0]), "float32"),
        (torch.zeros(2, 3, dtype=torch.int64), r"\(2, 3\) and the logits \(2, 5\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: torch.Tensor, message: str) -> None:
    network = classifier()
    x, _ = images(network, 2)
    with pytest.raises(InputError, match=message):
        run(Target(network), x, labels, plan("fgsm"))


def test_no_data_no_eps_no_attack() -> None:
    network = classifier()
    x, y = images(network, 2)
    with pytest.raises(InputError, match="empty"):
        run(Target(network), x[:0], y[:0], plan("fgsm"))
    with pytest.raises(UsageError, match="no eps or no attack"):
        plan()
    with pytest.raises(UsageError, match="no eps or no attack"):
        plan("fgsm", eps=())


def test_examples_that_are_wrong_anyway_are_not_attacked() -> None:
    network = classifier()
    x, y = images(network, 10)
    found = run(Target(network), x, torch.where(torch.arange(10) < 4, (y + 1) % 5, y), plan("pgd"))
    assert (found.accuracy, found.attempts[0].tried) == (0.6, 6)
    assert not found.robust[0, :4].any()
    assert bool((found.clean_margin[:4] < 0).all())


def test_an_attack_that_does_not_fit_is_skipped_and_says_why() -> None:
    network = classifier(2)
    x, y = images(network, 10)
    found = run(Target(network), x, y, plan("apgd-dlr", "pgd"))
    assert "the network has 2 classes" in found.attempts[0].skipped
    assert not found.attempts[1].skipped
    with pytest.raises(UnsupportedError, match="no attack could be run"):
        run(Target(network), x, y, plan("apgd-dlr", "apgd-t"))


def test_a_network_without_gradients_leaves_square() -> None:
    network = classifier()
    x, y = images(network)

    def rounded(x: torch.Tensor) -> torch.Tensor:
        return network(x.detach())

    found = run(Target(rounded), x, y, plan("pgd", "square", queries=100))
    assert "have no gradient" in found.attempts[0].skipped
    assert found.robust_accuracy[0] < 1
    assert [flag.name for flag in found.flags] == ["no-gradient"]


def test_a_network_that_float64_does_not_fit() -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = classifier()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(x.float())  # the copy in float64 has weights of another type

    x, y = images(classifier())
    found = run(Target(Single()), x, y, plan("pgd"))
    assert found.fooled.any()
    assert found.margin64.isnan().all()
    assert not found.unsure.any()


def test_an_input_on_which_the_network_returns_nan_is_no_success() -> None:
    network = classifier()
    x, y = images(network)

    def broken(z: torch.Tensor) -> torch.Tensor:
        moved = (z != x[: len(z)]).flatten(1).any(1) if len(z) == len(x) else torch.ones(len(z)).bool()
        return network(z).masked_fill(moved[:, None], torch.nan)

    found = run(Target(broken), x, y, plan(CHEATS + "by_rounding"))
    assert found.attempts[0].rejected == {"the network returns NaN there": 40}
    assert found.robust_accuracy == [1.0]


def test_a_plan_is_what_a_suite_says() -> None:
    suite = Suite.model_validate(
        {
            "version": 1,
            "space": "input",
            "norm": "l2",
            "eps": ["1/2", "1/4"],
            "range": [0, 1],
            "steps": 7,
            "queries": 9,
            "attacks": ["pgd"],
        }
    )
    assert Plan.of(suite) == Plan(L2, (Fraction(1, 4), Fraction(1, 2)), ("pgd",), Effort(7, 1, 9), 0.0, 1.0)


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
