"""Each attack by itself: inside the budget by construction, better than one step, exact where that is known."""

import math

import pytest
import torch
from torch import Tensor, nn

from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.loss import fooled
from lipcert.attacks.minimal import nearest
from lipcert.attacks.table import ATTACKS, NEAREST, find
from lipcert.attacks.target import Target
from lipcert.errors import InputError, UnsupportedError, UsageError
from lipcert.norms.norm import L2, LINF, NORMS, TOKEN_L2, TOKEN_RMS, Norm
from lipcert.workspace.schema import ATTACK_NAMES
from tests.unit.attack.networks import classifier, images

EPS = {LINF: "1/50", L2: "1/5", TOKEN_L2: "1/20", TOKEN_RMS: "1/50"}


def attacked(name: str, norm: Norm, network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    budget, effort = Budget.of(norm, EPS[norm], 0.0, 1.0), Effort(20, 1, 200)
    with Target(network).frozen():
        return ATTACKS[name](Target(network), x, y, budget, effort, Draws.of(0, name, torch.arange(len(x))))


def test_the_names_are_those_of_the_workspace() -> None:
    assert tuple(sorted(ATTACKS)) == tuple(sorted(ATTACK_NAMES))
    assert set(ATTACKS) >= NEAREST


@pytest.mark.parametrize("norm", NORMS.values(), ids=lambda norm: norm.name)
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_stays_inside_and_beats_one_step(name: str, norm: Norm) -> None:
    network = classifier()
    x, y = images(network)
    if name == "square" and norm.by_token:
        with pytest.raises(UnsupportedError, match="windows"):
            attacked(name, norm, network, x, y)
        return
    points = attacked(name, norm, network, x, y)
    assert bool((norm.of(points.double() - x.double()) <= Budget.of(norm, EPS[norm]).radius).all())
    assert bool(((points >= 0) & (points <= 1)).all())
    with torch.no_grad():
        hits, one_step = (int(fooled(network(z), y).sum()) for z in (points, attacked("fgsm", norm, network, x, y)))
    assert 0 < one_step < len(x)
    assert hits >= (one_step if name != "square" else 1)


@pytest.mark.parametrize("name", sorted(set(ATTACKS) - {"square"}))
def test_on_a_linear_network_with_two_labels_apart_the_edge_is_found(name: str) -> None:
    """Just above the distance to the boundary everything is fooled, just below nothing is."""
    torch.manual_seed(0)
    network = nn.Linear(6, 4).double()
    x = torch.randn(1, 6, dtype=torch.float64)
    with torch.no_grad():
        y = network(x).argmax(1)
    distance = float(distances(network, x, y, LINF))
    for factor, expected in ((1.02, True), (0.98, False)):
        budget, draws = Budget.of(LINF, factor * distance), Draws.of(0, name, torch.arange(1))
        with Target(network).frozen():
            points = ATTACKS[name](Target(network), x, y, budget, Effort(40), draws)
        if expected and name in ("fgsm", "pgd", "pgd-momentum", "apgd-ce"):
            continue  # the cross entropy's gradient need not point to the nearest class
        assert bool(fooled(network(points), y)) is expected


def distances(network: nn.Linear, x: Tensor, y: Tensor, norm: Norm) -> Tensor:
    """From x to where a linear network answers otherwise: the least margin over the dual norm of the difference."""
    logits, rows = network(x), network.weight[y][:, None] - network.weight
    dual = {
        LINF: rows.abs().sum(2),
        L2: rows.norm(dim=2),
        TOKEN_L2: rows.norm(dim=2),
        TOKEN_RMS: rows.norm(dim=2) * math.sqrt(x.shape[1]),
    }[norm]
    ratio = (logits.gather(1, y[:, None]) - logits) / dual
    return ratio.scatter(1, y[:, None], torch.inf).amin(1).detach()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", NORMS.values(), ids=lambda norm: norm.name)
def test_the_nearest_point_of_a_linear_network_within_one_percent(norm: Norm, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    network = nn.Linear(30, 3).to(dtype)
    x = 4 * torch.rand(50, 30).to(dtype) - 2
    with torch.no_grad():
        y = network(x).argmax(1)
    points = nearest(Target(network), x, y, Budget.of(norm, 1), Effort(40, 2), Draws.of(0, "", torch.arange(50)))
    assert bool(fooled(network(points), y).all())
    ratio = norm.of(points.double() - x.double()) / distances(network, x, y, norm).double()
    assert bool(((ratio > 0.999) & (ratio < 1.01)).all())


def test_what_is_wrong_already_is_nearest_itself() -> None:
    network = classifier()
    x, y = images(network, 5)
    points = nearest(Target(network), x, (y + 1) % 5, Budget.of(L2, 1), Effort(5), Draws.of(0, "", torch.arange(5)))
    assert torch.equal(points, x)


def test_an_eps_of_0_moves_nothing() -> None:
    network = classifier()
    x, y = images(network, 5)
    for name in ATTACKS:
        for norm in (LINF, L2):
            budget, draws = Budget.of(norm, 0, 0.0, 1.0), Draws.of(0, name, torch.arange(5))
            assert torch.equal(ATTACKS[name](Target(network), x, y, budget, Effort(3, 1, 5), draws), x)


@pytest.mark.parametrize(("name", "classes"), [("apgd-dlr", 2), ("apgd-t", 3)])
def test_too_few_classes_for_dlr(name: str, classes: int) -> None:
    network = classifier(classes)
    x, y = images(network, 5)
    with pytest.raises(UnsupportedError, match=f"the network has {classes} classes"):
        attacked(name, LINF, network, x, y)


def test_square_on_vectors_and_odd_shapes() -> None:
    for shape in ((7,), (1, 1, 1), (2, 3, 9), (2, 4)):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 4, bias=False))
        x = torch.rand(10, *shape)
        with torch.no_grad():
            y = network(x).argmax(1)
        for norm in (LINF, L2):
            budget = Budget.of(norm, "1/2", 0.0, 1.0)
            points = ATTACKS["square"](
                Target(network), x, y, budget, Effort(queries=60), Draws.of(0, "", torch.arange(10))
            )
            assert bool((norm.of(points.double() - x.double()) <= 0.5).all())
            assert int(fooled(network(points), y).sum()) > 0


def test_a_name_that_is_no_attack() -> None:
    with pytest.raises(UsageError, match=r"'agpd-ce'.\n.*apgd-ce"):
        find("agpd-ce")
    with pytest.raises(UsageError, match="No module named 'nowhere'"):
        find("nowhere:attack")
    with pytest.raises(UsageError, match=r"no function nearst.\n.*nearest"):
        find("lipcert.attacks.minimal:nearst")


def test_a_users_attack_is_found_from_the_working_directory(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "my_attacks_1.py").write_text("def stay(target, x, y, budget, effort, generator):\n    return x\n")
    (folder / "my_attacks_2.py").write_text("1 / 0\n")
    monkeypatch.chdir(folder)
    assert find("my_attacks_1:stay").__name__ == "stay"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="ZeroDivisionError"):
        find("my_attacks_2:stay")
