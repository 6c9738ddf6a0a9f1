"""What is random, keeps state, changes its input or looks at values is refused, and not done."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import export

from lipcert.errors import UnsupportedError
from lipcert.graph.capture import capture
from tests.unit.capture.captured import IMAGE, Lambda, graph_of, program_refusal, refusal


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x * self.count


class OnlyOnce(nn.Module):
    """Different from the second call on."""

    called = False

    def forward(self, x: Tensor) -> Tensor:
        factor = 3.0 if self.called else 2.0
        self.called = True
        return factor * x


def test_train_mode_is_refused_with_the_modules_in_it() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).eval()
    network[1].train()
    with pytest.raises(UnsupportedError, match="train mode: 1") as caught:
        capture(network, (IMAGE,))
    assert "eval()" in caught.value.hint


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4, track_running_stats=False)), ["batch statistics", "at 1"]),
        (nn.Sequential(nn.ReLU(), Lambda(F.dropout)), ["native_dropout", "random", "at 1"]),
        (Lambda(lambda x: x * random.random()), ["something else when it is run"]),
        (Lambda(lambda x: x if torch.compiler.is_exporting() else 2 * x), ["something else when it is run"]),
        (OnlyOnce(), ["something else when it is run"]),
    ],
)
def test_randomness_and_batch_statistics_are_refused(module: nn.Module, words: list[str]) -> None:
    message = refusal(UnsupportedError, module, IMAGE)
    assert all(word in message for word in words)


@pytest.mark.parametrize(
    "module", [Lambda(lambda x: x.add_(1)), nn.Sequential(nn.ReLU(inplace=True)), Lambda(lambda x: F.relu(x.mT, True))]
)
def test_changing_the_input_in_place_is_refused_and_not_done(module: nn.Module) -> None:
    x = torch.randn(1, 4, 6, 6)
    before = x.clone()
    assert "changes its own state or its input" in refusal(UnsupportedError, module, x)
    assert torch.equal(x, before)


def test_changing_a_buffer_is_refused_and_not_done() -> None:
    network = Counter()
    assert "count" in refusal(UnsupportedError, network, IMAGE)
    assert float(network.get_buffer("count")) == 0


def test_in_place_operations_on_values_in_between_are_made_pure() -> None:
    def forward(x: Tensor) -> Tensor:
        y = 2 * x
        view = y[:, 1:]
        y[:, 0].zero_()
        y += x
        view.relu_()
        return y + view.sum()

    x = torch.randn(2, 4, dtype=torch.float64)
    graph = graph_of(Lambda(forward), x[:1])
    torch.testing.assert_close(graph(x), torch.stack([forward(row[None].clone()) for row in x]))


@pytest.mark.parametrize(
    "function", [lambda x: x if x.sum() > 0 else -x, lambda x: x[: int(x.max())], lambda x: torch.nonzero(x).float()]
)
def test_control_flow_and_shapes_that_depend_on_data_are_refused(function: Callable[..., Any]) -> None:
    refusal(UnsupportedError, Lambda(function), IMAGE)


def test_training_behaviour_inside_an_exported_program_is_refused() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.1)).train()
    assert "1.running_mean" in program_refusal(UnsupportedError, export(network, (IMAGE,)), IMAGE)
    network[1].eval()
    message = program_refusal(UnsupportedError, export(network, (IMAGE,)), IMAGE)
    assert "it is random" in message
    assert "at 2" in message
