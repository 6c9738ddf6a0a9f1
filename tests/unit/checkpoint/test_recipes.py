"""Checkpoints of lipcert itself: their recipe builds the network, and a false one is refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save as safetensors_bytes

from lipcert import architectures, checkpoint
from lipcert.checkpoint import lipcert as own
from lipcert.checkpoint.examples import Ids
from lipcert.errors import InputError
from tests.unit.checkpoint.files import assert_holds

RECIPES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown architecture": ({"architecture": "mpl"}, "Did you mean 'mlp'"),
    "unknown argument": ({"arguments": {"widths": [4, 2], "activaton": "relu"}}, "Did you mean 'activation'"),
    "wrong argument": ({"arguments": {"widths": [4]}}, "widths"),
    "newer schema": ({"schema_version": 2}, "schema_version"),
    "unknown type": ({"input_dtype": "int32"}, "input_dtype"),
    "negative shape": ({"input_shape": [-4]}, "input_shape"),
    "other weights": ({"arguments": {"widths": [4, 5, 2]}}, "do not fit"),
    "huge network": ({"arguments": {"widths": [4, 10**9, 10**9, 2]}}, "do not fit"),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_false_recipe_is_refused(name: str, tmp_path: Path) -> None:
    change, message = RECIPES[name]
    recipe = {"schema_version": 1, "architecture": "mlp", "arguments": {"widths": [4, 2]}, "input_shape": [4]}
    tensors = {"1.weight": torch.ones(2, 4), "1.bias": torch.ones(2)}
    (tmp_path / "m.safetensors").write_bytes(
        safetensors_bytes(tensors, {"lipcert.recipe": json.dumps(recipe | change)})
    )
    with pytest.raises(InputError, match=message):
        checkpoint.load(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("architecture", "arguments", "shape"),
    [
        ("mlp", {"widths": [4, 3, 2], "activation": "tanh", "bias": False}, (4,)),
        ("cnn", {"in_channels": 1, "classes": 3, "stages": [2, 4]}, (1, 8, 8)),
        ("cnn", {"in_channels": 2, "classes": 3, "stages": [2], "batch_norm": False}, (2, 4, 4)),
    ],
)
def test_our_own_checkpoint_needs_nothing_else(
    architecture: str, arguments: dict[str, Any], shape: tuple[int, ...], tmp_path: Path
) -> None:
    module = architectures.build(architecture, arguments).eval()
    path = tmp_path / "m.safetensors"
    own.save(path, module, architecture, arguments, shape)
    model = checkpoint.load(path)
    assert_holds(model, module.state_dict())
    assert model.provenance is not None
    assert model.provenance.format == "lipcert"
    assert tuple(model.example_inputs[0].shape) == (1, *shape)
    assert model.module is not None
    assert torch.equal(model.module(*model.example_inputs), module(*model.example_inputs))
    assert os.listdir(tmp_path) == ["m.safetensors"]  # noqa: PTH208  hidden files count


TOKENS = {"vocabulary": 7, "context": 6, "width": 4, "heads": 2, "layers": 1}


def test_our_own_checkpoint_of_a_network_of_token_ids(tmp_path: Path) -> None:
    module, path = architectures.build("gpt", TOKENS).eval(), tmp_path / "m.safetensors"
    own.save(path, module, "gpt", TOKENS, (6,), "int64")
    model = checkpoint.load(path)
    assert [(x.shape, x.dtype) for x in model.example_inputs] == [((1, 6), torch.int64)]
    assert model.module is not None
    assert torch.equal(model.module(*model.example_inputs), module(*model.example_inputs))
    shorter = checkpoint.load(path, inputs=[Ids((3,))])
    assert shorter.example_inputs[0].shape == (1, 3)
