"""Whole networks, as torch modules: bounded through the public function, attacked on the module itself in
float64 by an optimiser that uses nothing of lipcert.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import lipcert
from lipcert.certificate.check import check
from lipcert.graph.capture import capture, trace
from lipcert.norms import ball
from tests.soundness.attack import module_ratio

ROUNDING = 1e-9
UNIT = (0.0, 1.0)
SECONDS = 0.1


class Residual(nn.Module):
    """x + a·branch(x)."""

    def __init__(self, branch: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.branch, self.scale = branch, scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.branch(x)


class Joined(nn.Module):
    """Branches joined along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Gated(nn.Module):
    """value(x) ⊙ sigmoid(gate(x)): finite on a bounded domain only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.value(x) * torch.sigmoid(self.gate(x))


class MaxOut(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(self.a(x), self.b(x)).clamp(-1, 2).abs()


class PerPlace(nn.Module):
    """A factor for each place of a picture, the same in all channels."""

    def __init__(self, factor: Tensor) -> None:
        super().__init__()
        self.register_buffer("factor", factor)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def mlp(*activations: nn.Module) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(6, 8)]
    for activation in activations:
        layers += [activation, nn.Linear(8, 8)]
    return nn.Sequential(*layers[:-1], nn.Linear(8, 3))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.PReLU(4),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=2),
        nn.BatchNorm2d(4),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def residual_cnn() -> nn.Module:
    branch = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1))
    ahead = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1, padding_mode="reflect"), nn.SiLU())
    return nn.Sequential(*ahead, Residual(branch, 0.5), nn.AvgPool2d(2, 1, 1), nn.Flatten(), nn.Linear(75, 2))


def transposed() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8),
        nn.Unflatten(1, (2, 4)),
        nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv1d(3, 2, 3, dilation=2, padding=2, padding_mode="circular"),
        nn.Upsample(scale_factor=2),
        nn.AvgPool1d(3, 2, 1, count_include_pad=False),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def normalised() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8), nn.LayerNorm(8, 0.5), nn.GELU("tanh"), Residual(mlp_block()), nn.RMSNorm(8, 0.5)
    )


def mlp_block() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 12), nn.Mish(), nn.Linear(12, 8))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "ReLU": (lambda: mlp(nn.ReLU(), nn.ReLU()), (6,)),
    "mixed activations": (lambda: mlp(nn.GELU(), nn.ELU(1.5), nn.Softplus(2.0)), (6,)),
    "hard activations": (lambda: mlp(nn.Hardswish(), nn.Hardtanh(-0.5, 2.0), nn.PReLU(init=-0.3)), (6,)),
    "maxima": (lambda: nn.Sequential(nn.Linear(6, 5), MaxOut(5), nn.Linear(5, 3)), (6,)),
    "softmax": (lambda: nn.Sequential(mlp(nn.Tanh()), nn.Softmax(1)), (6,)),
    "log-softmax": (lambda: nn.Sequential(mlp(nn.SELU()), nn.LogSoftmax(1)), (6,)),
    "normalised": (normalised, (6,)),
    "joined": (lambda: nn.Sequential(Joined(nn.Linear(6, 3), mlp(nn.ReLU()), nn.Identity()), nn.Linear(12, 4)), (6,)),
    "gated": (lambda: nn.Sequential(nn.Linear(6, 4), Gated(4), nn.Linear(4, 2)), (6,)),
    "CNN": (cnn, (2, 8, 8)),
    "residual CNN": (residual_cnn, (1, 4, 4)),
    "transposed": (transposed, (6,)),
}
NEEDS_A_DOMAIN = {"gated"}


def randomised(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network with random weights and statistics, some of them far from those of its start."""
    torch.manual_seed(seed)
    module = build().eval()
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(0, 0.5)  # type: ignore[union-attr]
            part.running_var.uniform_(0.05, 2.0)  # type: ignore[union-attr]
        if isinstance(part, nn.BatchNorm2d | nn.LayerNorm):
            part.weight.data.normal_()
            part.bias.data.normal_()
        elif isinstance(part, nn.PReLU):
            part.weight.data.uniform_(-0.5, 1.5)
        elif isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d):
            part.weight.data *= 1.5
    return module


def check_network(name: str, norm: str, domain: lipcert.Box | None, seed: int, **effort: int) -> float:
    build, shape = NETWORKS[name]
    module = randomised(build, seed)
    found = lipcert.bound(
        module, torch.zeros(1, *shape), norm=norm, domain=domain or lipcert.Everywhere(), seconds=SECONDS, seed=seed
    )
    ends = None if domain is None else UNIT
    measured = module_ratio(module, shape, norm, ends, seed=seed, **effort)
    assert found.status == lipcert.Status.PROVED
    assert measured <= found.upper * (1 + ROUNDING)
    assert found.lower <= found.upper
    return measured / found.upper


@pytest.mark.parametrize(
    ("name", "norm"), [*((name, "l2") for name in NETWORKS), *((name, "linf") for name in [*NETWORKS][::3])]
)
def test_no_measured_ratio_exceeds_the_bound_of_a_network(name: str, norm: str) -> None:
    where = len(name) % 2 == 0 or name in NEEDS_A_DOMAIN
    attained = check_network(name, norm, lipcert.Box(*UNIT) if where else None, seed=1, starts=8, rounds=1, steps=6)
    assert attained > 0.003  # the bound is of this network, and the attack attacks it


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
@pytest.mark.parametrize("domain", [None, lipcert.Box(*UNIT)], ids=str)
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_measured_ratio_exceeds_the_bounds_of_many_more_networks(
    name: str, norm: str, domain: lipcert.Box | None, seed: int
) -> None:
    if domain is None and name in NEEDS_A_DOMAIN:
        with pytest.raises(lipcert.UnsupportedError, match="no finite bound"):
            check_network(name, norm, domain, seed)
    else:
        check_network(name, norm, domain, seed, starts=12, rounds=2, steps=15)


CERTIFIED = {
    "convolution and batch norm": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3)), (2, 4, 4)),
    "a factor a place": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), PerPlace(torch.rand(2, 2))), (2, 4, 4)),
    "residual CNN": NETWORKS["residual CNN"],
}


@pytest.mark.parametrize("name", CERTIFIED)
def test_what_is_certified_is_proved_again(name: str) -> None:
    build, shape = CERTIFIED[name]
    module, example = randomised(build, seed=3), torch.zeros(1, *shape)
    found = lipcert.bound(module, example, seconds=SECONDS)
    again = check(found.certificate, trace(capture(module, (example,)), (example,)), "")
    assert module_ratio(module, shape, "l2", starts=8, rounds=1, steps=4) <= ball.up(again) * (1 + ROUNDING)


def test_without_a_domain_a_product_of_activations_is_refused_with_the_way_out() -> None:
    with pytest.raises(lipcert.UnsupportedError, match="both bounded") as caught:
        check_network("gated", "l2", None, seed=0)
    assert "--domain" in (caught.value.hint or "")
