"""Modules that cannot be captured are all named at once; those that are computed or shared count as what they are."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipcert.errors import UnsupportedError
from lipcert.graph.capture import capture
from tests.unit.capture.captured import ROW, Lambda, graph_of, refusal


class Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Outside(Doubling):
    """Computed where torch.export does not see it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.from_numpy(2 * x.detach().numpy())


class Everything(nn.Module):
    """All that cannot be bounded, and the last part stops the capture."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.norm = nn.GRU(6, 6), nn.BatchNorm1d(6, track_running_stats=False)
        self.noise, self.imaginary = Lambda(F.dropout), Lambda(lambda x: (x * 1j).real)
        self.own = nn.Sequential(Lambda(Outside.apply))
        self.choice = Lambda(lambda x: x if x.sum() > 0 else -x)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.gru(self.norm(torch.cat([x, 2 * x])))
        return self.choice(self.own(self.imaginary(self.noise(y[:1]))))


def test_all_that_speaks_against_a_module_is_listed_at_once_with_its_places() -> None:
    network, x = Everything(), ROW.clone()
    message = refusal(UnsupportedError, network, x)
    for words in (
        "recurrent: an LSTM, GRU or RNN has no rule\n    at gru", "depends on the others\n    at norm", "at noise",
        "complex numbers\n    at imaginary", "Outside: a torch.autograd.Function", "at own.0",
        "looks at values while it runs\n    at choice",
    ):  # fmt: skip
        assert words in message
    assert torch.equal(x, ROW)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def test_train_mode_is_refused_together_with_what_eval_mode_would_not_help() -> None:
    network = nn.Sequential(nn.Dropout(), nn.LSTM(6, 6)).train()
    with pytest.raises(UnsupportedError, match="train mode") as caught:
        capture(network, (ROW,))
    assert "recurrent: an LSTM, GRU or RNN has no rule\n    at 1" in caught.value.message


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_that_can_be_captured_are_refused_by_name(kind: Callable[..., nn.Module]) -> None:
    network = nn.Sequential(kind(6, 6), Lambda(lambda y: y[0]))
    assert "no rule for recurrent layers\n    at 0" in refusal(UnsupportedError, network, ROW)


def test_a_quantised_module_is_refused_as_such() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.ReLU(), nn.Linear(6, 2)))
        message = refusal(UnsupportedError, network, ROW)
    assert "quantised: it rounds, so it has no Lipschitz constant\n    at 1" in message


def test_a_function_of_its_own_that_is_computed_in_torch_is_bounded_by_its_forward() -> None:
    graph = graph_of(Lambda(Doubling.apply), ROW)
    torch.testing.assert_close(graph(ROW.double())[0], 2 * ROW.double())


def test_weights_that_are_computed_count_as_computed() -> None:
    network = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(6, 6)),
        nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6)),
    ).double()
    x = torch.rand(3, 6, dtype=torch.float64)
    graph = graph_of(network, x[:1])
    torch.testing.assert_close(graph(x)[:, 0], network(x).detach(), rtol=1e-12, atol=1e-12)
    assert "0.parametrizations.weight.original0" in graph.weights


def test_tied_modules_keep_both_names() -> None:
    shared = nn.Linear(6, 6)
    graph = graph_of(nn.Sequential(shared, nn.ReLU(), shared), ROW)
    assert {"0.weight", "2.weight"} <= set(graph.weights)
    assert sum(node.op == "linear" for node in graph.nodes.values()) == 2
