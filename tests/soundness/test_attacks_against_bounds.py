"""No attack gets nearer than a proved bound allows: margin over the proved gain of the margins is a safe radius."""

from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

import lipcert
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.harness import run
from lipcert.attacks.minimal import nearest
from lipcert.attacks.plan import Plan
from lipcert.attacks.target import Target
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

    def forward(self, x: Tensor) -> Tensor:
        return self.difference(self.network(x))


def safe_radii(network: nn.Module, x: Tensor, norm: Norm) -> Tensor:
    """(batch,): over the other classes, the least margin divided by the proved gain of that margin."""
    gains = torch.full((3, 3), torch.inf, dtype=torch.float64)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        module = Margin(network, one, other).double().eval()
        bound = lipcert.bound(module, (torch.zeros(1, 8).double(),), norm=norm.name, seconds=1.0).upper
        gains[one, other] = gains[other, one] = bound
    with torch.no_grad():
        logits = network(x)
    y = logits.argmax(1)
    margins = (logits.gather(1, y[:, None]) - logits).scatter(1, y[:, None], torch.inf)
    return (margins / gains[y].masked_fill(gains[y].isinf(), 1.0)).amin(1)


@pytest.mark.parametrize("norm", [L2, LINF], ids=lambda norm: norm.name)
def test_no_attack_succeeds_within_a_proved_radius(norm: Norm) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 12, bias=False), nn.ReLU(), nn.Linear(12, 3, bias=False)).double().eval()
    x = torch.randn(64, 8, dtype=torch.float64)
    with torch.no_grad():
        y = network(x).argmax(1)
    safe = safe_radii(network, x, norm)
    points = nearest(Target(network), x, y, Budget.of(norm, 1), Effort(50, 3), Draws.of(0, "", torch.arange(64)))
    found = norm.of(points - x)
    assert bool((found[found > 0] >= safe[found > 0]).all())
    eps = tuple(Fraction(part) for part in safe.quantile(torch.tensor([0.1, 0.5, 0.9]).double()).tolist())
    result = run(Target(network), x, y, Plan(norm, eps, ATTACKS, Effort(30, 2, 200)))
    for radius, fooled in zip(eps, result.fooled, strict=True):
        assert not bool((fooled & (safe >= float(radius))).any())
    assert result.fooled.any()
