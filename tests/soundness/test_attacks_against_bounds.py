"""No attack gets nearer than a proved bound allows: margin over the proved gain of the margins is a safe radius."""

from fractions import Fraction

import pytest
import torch
from torch import nn

import lipcert
from lipcert.attack.budget import Budget, Effort
from lipcert.attack.draws import Draws
from lipcert.attack.harness import run
from lipcert.attack.loss import margin
from lipcert.attack.minimal import nearest
from lipcert.attack.plan import Plan
from lipcert.attack.target import Target
from lipcert.norms.norm import L2, LINF, Norm

ATTACKS = ("pgd", "apgd-ce", "apgd-dlr", "apgd-t", "minimal", "square")


class Margin(nn.Module):
    """The logit of one class less that of another."""

    def __init__(self, network: nn.Module, one: int, other: int) -> None:
        super().__init__()
        self.network, self.difference = network, nn.Linear(3, 1, bias=False)
        with torch.no_grad():
            self.difference.weight.zero_()
            self.difference.weight[0, one], self.difference.weight[0, other] = 1, -1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.difference(self.network(x))


@pytest.mark.parametrize("norm", [L2, LINF], ids=lambda norm: norm.name)
def test_no_attack_succeeds_within_a_proved_radius(norm: Norm) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 3)).double().eval()
    pairs = [(0, 1), (0, 2), (1, 2)]
    gains = {
        pair: lipcert.bound(
            Margin(network, *pair).double().eval(), (torch.zeros(1, 8).double(),), norm=norm.name, seconds=1.0
        ).upper
        for pair in pairs
    }
    x = torch.rand(64, 8, dtype=torch.float64)
    with torch.no_grad():
        logits = network(x)
    y = logits.argmax(1)
    safe = torch.tensor(
        [
            min(
                float(logits[row, label] - logits[row, c]) / gains[min(label, c), max(label, c)]
                for c in range(3)
                if c != label
            )
            for row, label in enumerate(y.tolist())
        ]
    ).double()
    assert bool((safe <= margin(logits, y)).all() | (safe > 0).all())
    points = nearest(Target(network), x, y, Budget.of(norm, 1), Effort(50, 3), Draws.of(0, "", torch.arange(64)))
    found = norm.of(points - x)
    assert bool((found[found > 0] >= safe[found > 0]).all())
    eps = tuple(
        Fraction(float(part)).limit_denominator(10**6) for part in safe.quantile(torch.tensor([0.1, 0.5, 0.9]).double())
    )
    result = run(Target(network), x, y, Plan(norm, eps, ATTACKS, Effort(30, 2, 200)))
    for radius, fooled in zip(eps, result.fooled, strict=True):
        assert not bool((fooled & (safe >= float(radius))).any())
    assert result.fooled.any()
