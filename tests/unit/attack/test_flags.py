"""Signs of masked gradients: raised where they are, and not on a plain network."""

from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

from lipcert.attacks.flags import compared
from lipcert.attacks.harness import run
from lipcert.attacks.measure import FAILED, FOOLED, NOT_TRIED
from lipcert.attacks.target import Target
from tests.unit.attack.networks import classifier, images, plan

TENTH, FIFTH = Fraction(1, 10), Fraction(1, 5)


class Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = classifier()

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x) + 1e-3 * torch.rand(len(x), 5)


class Probabilities(Random):
    def forward(self, x: Tensor) -> Tensor:
        return self.network(x).softmax(1)


class Saturated(Random):
    def forward(self, x: Tensor) -> Tensor:
        return 1e4 * self.network(x)


class Misleading(Random):
    """Its gradient points uphill at images of whole grey levels, and the other way elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        whole = ((x * 255).round() / 255 == x).flatten(1).all(1)
        other = self.network(2 * x.detach() - x)
        return torch.where(whole[:, None], self.network(x), other)


@pytest.mark.parametrize(
    ("network", "flags"),
    [
        (classifier(), []),
        (Random(), ["random"]),
        (Probabilities(), ["probabilities"]),
        (Saturated(), ["zero-gradients"]),
        (Misleading(), ["steps"]),
    ],
    ids=["plain", "random", "probabilities", "saturated", "misleading"],
)
def test_a_network_gets_its_flags(network: nn.Module, flags: list[str]) -> None:
    x, _ = images(classifier())
    x = (x * 255).round() / 255
    with torch.no_grad():
        y = network(x).argmax(1)
    found = run(Target(network), x, y, plan("apgd-ce"))
    assert [flag.name for flag in found.flags] == flags
    assert all(flag.sentence.endswith(".") for flag in found.flags)


def test_what_square_finds_after_gradients_failed() -> None:
    outcome = torch.full((1, 2, 100), NOT_TRIED, dtype=torch.int8)
    outcome[0, 0], outcome[0, 1, :3] = FAILED, FOOLED
    right, attacks = torch.ones(100, dtype=torch.bool), ("apgd-t", "square")
    assert [flag.name for flag in compared(outcome, right, attacks, (TENTH,))] == ["black-box"]
    assert "3 examples" in compared(outcome, right, attacks, (TENTH,))[0].sentence
    assert compared(outcome, right, ("pgd", "apgd-t"), (TENTH,)) == ()
    outcome[0, 0, :3] = NOT_TRIED  # square came first
    assert compared(outcome, right, attacks, (TENTH,)) == ()


def test_twice_the_budget_that_fools_nothing_more() -> None:
    outcome = torch.full((2, 1, 10), FAILED, dtype=torch.int8)
    outcome[0, 0, :4], outcome[1, 0, :4] = FOOLED, NOT_TRIED
    right = torch.ones(10, dtype=torch.bool)
    assert [flag.name for flag in compared(outcome, right, ("pgd",), (TENTH, FIFTH))] == ["radius"]
    assert compared(outcome, right, ("pgd",), (TENTH, Fraction(11, 100))) == ()
    outcome[1, 0, 5] = FOOLED
    assert compared(outcome, right, ("pgd",), (TENTH, FIFTH)) == ()
