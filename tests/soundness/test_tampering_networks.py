"""A certificate of another network, output or shape is rejected with the line that fails."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from lipcert.errors import RejectedError
from tests.soundness.certified import Network, document_of, graph_of, network
from tests.soundness.tampering import verify
from tests.soundness.tampering_rows import BATCH_NORM


def other_weight(model: Network) -> None:
    with torch.no_grad():
        model.left.weight[3, 4] = torch.nextafter(model.left.weight[3, 4], torch.tensor(1.0))


def other_buffer(model: Network) -> None:
    model.norm.running_mean[0] += 1e-6


def other_sign(model: Network) -> None:
    with torch.no_grad():
        model.head.bias[0] *= -1


def other_eps(model: Network) -> None:
    model.norm.eps = 1e-4


def other_activation(model: Network) -> None:
    model.act = torch.relu


def other_form_of_the_activation(model: Network) -> None:
    model.act = lambda x: nn.functional.gelu(x, approximate="tanh")


def other_padding(model: Network) -> None:
    model.stem.padding_mode = "circular"
    model.stem._reversed_padding_repeated_twice = [1, 1, 1, 1]


def one_layer_more(model: Network) -> None:
    model.head = nn.Sequential(model.head, nn.Softplus()).eval()  # type: ignore[assignment]


def same_weights_in_another_order(model: Network) -> None:
    model.left, model.right = model.right, model.left
    model.left.weight.data, model.right.weight.data = model.left.weight.data.T, model.right.weight.data.T
    model.left.bias, model.right.bias = model.right.bias, model.left.bias


def other_type(model: Network) -> None:
    model.head.bias.data = model.head.bias.data.double().float() + 0.0
    model.norm.num_batches_tracked = torch.tensor(0, dtype=torch.int32)


CHANGES: list[tuple[Callable[[Network], None], str]] = [
    (other_weight, r"weights_sha256\.left\.weight: "),
    (other_buffer, r"weights_sha256\.norm\.running_mean: "),
    (other_sign, r"weights_sha256\.head\.bias: "),
    (other_eps, rf"nodes\.{BATCH_NORM}: .*consts"),
    (other_activation, r"nodes\."),
    (other_form_of_the_activation, r"nodes\.gelu: .*gelu_tanh"),
    (other_padding, r"nodes\."),
    (one_layer_more, r"weights_sha256\.head\.0\.bias: "),
    (same_weights_in_another_order, r"weights_sha256\.left\.weight: "),
    (other_type, r"weights_sha256\.norm\.num_batches_tracked: "),
]


@pytest.mark.parametrize(("change", "line"), CHANGES)
def test_the_certificate_of_another_network_is_rejected(
    change: Callable[[Network], None], line: str, tmp_path: Path
) -> None:
    model = network()
    change(model)
    with pytest.raises(RejectedError, match=line):
        verify(document_of("linf"), tmp_path, graph_of(model), "logits")


def test_another_output_or_input_of_the_network_is_rejected(tmp_path: Path) -> None:
    features = graph_of(network(), output="features")
    with pytest.raises(RejectedError, match=r"claim\.output"):
        verify(document_of("linf"), tmp_path, features, "features")
    with pytest.raises(RejectedError, match=r"nodes\.linear_2: in the certificate, not in the network"):
        verify(document_of("linf"), tmp_path, features, "logits")


def test_another_input_shape_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match=r"claim\.shape"):
        verify(document_of("linf"), tmp_path, graph_of(network(), (1, 2, 7, 7)), "logits")
