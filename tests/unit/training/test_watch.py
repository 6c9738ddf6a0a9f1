"""Whether a run that goes wrong is noticed, and where it is said to have begun."""

import pytest
import torch
from torch import nn

from lipcert.training.watch import Watch, origin, untouched


def test_a_loss_that_is_no_number_is_a_fault() -> None:
    assert "nan" in Watch(3.0).fault(float("nan"), 1.0)
    assert "inf" in Watch(3.0).fault(1.0, float("inf"))


def test_a_leap_is_a_fault_once_enough_losses_are_known() -> None:
    watch = Watch(3.0)
    assert [watch.fault(loss, 1.0) for loss in [9.0] + 19 * [1.0]] == 20 * [""]
    assert "leapt to 3.1" in watch.fault(3.1, 1.0)
    assert watch.fault(2.9, 1.0) == ""


def test_no_leap_counts_where_the_factor_is_zero() -> None:
    watch = Watch(0.0, 50 * [1.0])
    assert watch.fault(1e9, 1.0) == ""


def test_a_loss_that_is_judged_is_not_remembered() -> None:
    watch = Watch(3.0, 50 * [1.0])
    assert watch.judge(2.0) == ""
    assert "leapt" in watch.judge(9.0)
    assert set(watch.losses) == {1.0}


def test_what_a_forward_pass_counts_is_as_it_was() -> None:
    norm = nn.BatchNorm1d(3)
    with untouched(norm):
        assert not norm(torch.randn(4, 3)).requires_grad
    assert all(torch.equal(norm.state_dict()[name], value) for name, value in nn.BatchNorm1d(3).state_dict().items())


@pytest.fixture
def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))


def test_the_first_layer_whose_output_is_not_finite_is_named(model: nn.Sequential) -> None:
    with torch.no_grad():
        model[2].weight[0, 0] = torch.nan
    assert origin(model, torch.ones(2, 4), None).startswith("layer 2,")


def test_a_gradient_that_is_not_finite_is_followed_from_the_output(model: nn.Sequential) -> None:
    model(torch.ones(2, 4)).sum().backward()
    for number in (0, 2):
        model[number].weight.grad.fill_(torch.inf)
    assert origin(model, torch.ones(2, 4), None).startswith("layer 2,")


def test_the_layer_that_grew_most_is_named_and_the_weights_stay(model: nn.Sequential) -> None:
    good = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        model[4].weight.mul_(1000)
    grown = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert origin(model, torch.ones(2, 4), good).startswith("layer 4,")
    assert all(torch.equal(model.state_dict()[name], grown[name]) for name in grown)
