"""Labels, examples and networks that the harness refuses, passes over, or attacks without a gradient."""

import pytest
import torch
from torch import nn

from lipcert.attacks.harness import run
from lipcert.attacks.target import Target
from lipcert.errors import InputError, UnsupportedError, UsageError
from tests.unit.attack.networks import classifier, images, plan


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
