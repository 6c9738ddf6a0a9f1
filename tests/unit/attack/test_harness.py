"""The harness: its result is what was found, and the same however examples are batched; nothing is left changed."""

from fractions import Fraction

import pytest
import torch
from torch import nn

from lipcert.attacks.budget import Effort
from lipcert.attacks.harness import run
from lipcert.attacks.measure import FOOLED, NOT_TRIED
from lipcert.attacks.plan import Plan
from lipcert.attacks.result import join
from lipcert.attacks.target import Target
from lipcert.errors import InputError
from lipcert.norms.norm import L2, LINF
from lipcert.workspace.schema import ATTACK_NAMES, Suite
from tests.unit.attack.attacked import CHEATS, attacked
from tests.unit.attack.networks import classifier, images, plan


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
