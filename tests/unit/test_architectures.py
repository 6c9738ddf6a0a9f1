"""The built-in networks, and lipcert's own checkpoint as a file."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lipcert import architectures
from lipcert.checkpoint import lipcert as own
from lipcert.errors import InputError, OutputError


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "classes"),
    [
        ("mlp", {"widths": [6, 5, 4]}, (2, 3), 4),
        ("mlp", {"widths": [6, 4]}, (6,), 4),
        ("cnn", {"in_channels": 3, "classes": 5, "stages": [4, 8, 8]}, (3, 8, 8), 5),
        ("cnn", {"in_channels": 1, "classes": 2, "stages": [4], "batch_norm": False}, (1, 5, 7), 2),
    ],
)
def test_networks_map_inputs_to_classes(
    name: str, arguments: dict[str, Any], shape: tuple[int, ...], classes: int
) -> None:
    module = architectures.build(name, arguments).eval()
    assert module(torch.rand(3, *shape)).shape == (3, classes)


def test_the_last_layer_of_a_perceptron_has_no_activation() -> None:
    module = architectures.build("mlp", {"widths": [3, 3, 3]})
    assert [type(layer) for layer in module.children()] == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("mpl", {}, "Did you mean 'mlp'"),
        ("mlp", {"widths": [1, 2], "with": 1}, "Did you mean 'widths'"),
        ("mlp", {"widths": [1]}, "widths: List should have at least 2 items"),
        ("mlp", {"widths": [1, "2"]}, r"widths\.1"),
        ("cnn", {}, "Its arguments are in_channels"),
    ],
)
def test_wrong_arguments_are_named(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        architectures.build(name, arguments)


def test_saving_replaces_the_file_or_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_text("old")
    module = architectures.build("mlp", {"widths": [2, 2]})
    with pytest.raises(InputError, match="builds another network"):
        own.save(path, module, "mlp", {"widths": [2, 3]}, (2,))
    assert path.read_text() == "old"
    own.save(path, module, "mlp", {"widths": [2, 2]}, (2,))
    assert path.read_bytes()[8:9] == b"{"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    module = architectures.build("mlp", {"widths": [2, 2]})
    with pytest.raises(OutputError, match="No such file or directory"):
        own.save(tmp_path / "missing" / "m.safetensors", module, "mlp", {"widths": [2, 2]}, (2,))
