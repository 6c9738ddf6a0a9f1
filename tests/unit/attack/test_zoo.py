"""torchattacks behind the adapter: any range, nothing left changed, and a message where it does not fit."""

import importlib

import numpy as np
import pytest
import torch
from torch import nn

from lipcert.attacks.budget import Effort
from lipcert.attacks.harness import run
from lipcert.attacks.plan import Plan
from lipcert.attacks.result import AttackResult
from lipcert.attacks.table import find
from lipcert.attacks.target import Target
from lipcert.attacks.zoo import INSTALL, ZOO
from lipcert.errors import UnsupportedError, UsageError
from lipcert.norms.norm import L2, LINF, NORMS, TOKEN_L2, Norm
from tests.unit.attack.networks import plan

EPS = {LINF: "1/5", L2: "3"}


def attacked(name: str, norm: Norm) -> AttackResult:
    """Images in [-1, 3], and a network in train mode with a frozen BatchNorm."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 5)
    )
    x = 4 * torch.rand(6, 3, 16, 16) - 1
    target = Target(network)
    network[1].eval()
    with target.frozen(), torch.no_grad():
        y = network(x).argmax(1)
    threat = Plan(norm, plan("fgsm", eps=(EPS[norm],)).eps, (f"torchattacks:{name}",), Effort(5, 1, 20), -1.0, 3.0)
    found = run(target, x, y, threat)
    assert [module.training for module in network.modules()] == [True, True, False, True, True, True]
    return found


@pytest.mark.parametrize(("name", "norm"), [(name, norm) for name in ZOO for norm in ZOO[name] if name != "AutoAttack"])
def test_its_attacks_keep_to_budgets_on_any_range(name: str, norm: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = attacked(name, NORMS[norm])
    assert found.attempts[0].rejected == {}
    assert found.attempts[0].forward > 6
    if name not in ("Square", "TIFGSM", "TPGD", "SPSA", "CW"):
        assert found.fooled.any()
    assert capsys.readouterr().out == ""


def test_generators_are_put_back() -> None:
    before = np.random.get_state()[1].copy()
    first = attacked("Square", L2).adversarial
    after = torch.get_rng_state()
    assert torch.equal(attacked("Square", L2).adversarial, first)
    assert torch.equal(torch.get_rng_state(), after)
    assert (np.random.get_state()[1] == before).all()


def test_a_typo_and_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"torchattacks:AutoAtack.\n.*AutoAttack"):
        find("torchattacks:AutoAtack")

    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UsageError, match="torchattacks is missing") as refusal:
        find("torchattacks:PGD")
    assert INSTALL in refusal.value.hint


def test_what_it_was_not_made_for_is_skipped() -> None:
    x = torch.rand(2, 3, 8)
    network = nn.Sequential(nn.Flatten(), nn.Linear(24, 3))
    for threat, message in (
        (plan("torchattacks:PGD"), "attacks images"),
        (plan("torchattacks:PGD", norm=TOKEN_L2), "knows no budget in token-l2"),
    ):
        with pytest.raises(UnsupportedError, match=message):
            run(Target(network), x, network(x).argmax(1), threat)
    images = torch.rand(2, 3, 8, 8)
    wide = Target(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)))
    threat = Plan(LINF, plan("fgsm").eps, ("torchattacks:PGD",), Effort(2))
    with pytest.raises(UnsupportedError, match="needs the range"):
        run(wide, images, wide(images).argmax(1), threat)
