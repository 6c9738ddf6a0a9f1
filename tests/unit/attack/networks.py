"""Small networks and inputs that several tests of attacks share."""

from fractions import Fraction

import torch
from torch import Tensor, nn

from lipcert import architectures
from lipcert.attacks.budget import Effort
from lipcert.attacks.plan import Plan
from lipcert.norms.norm import LINF, Norm


def classifier(classes: int = 5) -> nn.Module:
    """On images (3, 8, 8)."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, classes)).eval()


def images(network: nn.Module, count: int = 40) -> tuple[Tensor, Tensor]:
    """Images in [0, 1], and what the network says of them."""
    x = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return x, network(x).argmax(1)


def transformer(kind: str = "encoder") -> tuple[nn.Module, Tensor]:
    """On 8 of 30 tokens, and some texts."""
    torch.manual_seed(0)
    more: dict[str, object] = {"classes": 4} if kind == "encoder" else {"zero_init": False}
    arguments = {"vocabulary": 30, "context": 8, "width": 16, "layers": 2, "heads": 2} | more
    return architectures.build(kind, arguments), torch.randint(30, (12, 8))


def plan(
    *attacks: str, norm: Norm = LINF, eps: tuple[str, ...] = ("1/50",), steps: int = 10, queries: int = 50
) -> Plan:
    """Attacks on images in [0, 1]."""
    return Plan(norm, tuple(map(Fraction, eps)), attacks, Effort(steps, 1, queries), 0.0, 1.0)
