"""Weights with two names stay one parameter."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_model
from torch import Tensor, nn

from lipcert import checkpoint
from lipcert.errors import InputError


def assert_tied(model: checkpoint.Model, value: Tensor) -> None:
    assert isinstance(model.module, nn.Module)
    assert model.module.encode.weight is model.module.decode.weight
    assert torch.equal(model.module.encode.weight, value)


def test_tied_weights_stay_one_parameter(arch: str, tmp_path: Path) -> None:
    value = torch.rand(4, 4)
    torch.save({"encode.weight": value, "decode.weight": value.clone()}, tmp_path / "m.pt")
    assert_tied(checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:tied"), value)


@pytest.mark.parametrize("kept", ["encode.weight", "decode.weight"])
def test_one_name_of_tied_weights_is_enough(kept: str, arch: str, tmp_path: Path) -> None:
    value = torch.rand(4, 4)
    torch.save({kept: value}, tmp_path / "m.pt")
    assert_tied(checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:tied"), value)


def test_safetensors_that_dropped_a_tied_name_load(arch: str, tmp_path: Path) -> None:
    module = checkpoint.arch.build(f"{arch}:tied")[0]
    save_model(module, str(tmp_path / "m.safetensors"))
    assert_tied(checkpoint.load(tmp_path / "m.safetensors", arch=f"{arch}:tied"), module.state_dict()["encode.weight"])


def test_tied_names_that_contradict_each_other_are_refused(arch: str, tmp_path: Path) -> None:
    torch.save({"encode.weight": torch.ones(4, 4), "decode.weight": torch.zeros(4, 4)}, tmp_path / "m.pt")
    with pytest.raises(InputError, match=r"encode\.weight and decode\.weight"):
        checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:tied")
