"""The function that builds the network, and the inputs that it is given."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lipcert import checkpoint
from lipcert.checkpoint.examples import Ids
from lipcert.errors import InputError, LipcertError, ResourceError, UsageError
from tests.unit.checkpoint.files import assert_holds, mlp_weights


def test_weights_alone_ask_for_the_network_and_show_what_they_are(tmp_path: Path) -> None:
    torch.save({"state_dict": mlp_weights()}, tmp_path / "m.pt")
    with pytest.raises(UsageError) as refusal:
        checkpoint.load(tmp_path / "m.pt")
    assert "4 named tensors (at state_dict)" in refusal.value.message
    assert "0.weight (3, 4)" in refusal.value.message
    assert "def net():" in refusal.value.hint


@pytest.mark.parametrize(
    ("suffix", "error", "message"),
    [
        ("", UsageError, "neither package.module:function"),
        (":nett", UsageError, "Did you mean net"),
        (":raises", InputError, "raised RuntimeError: no such dataset"),
        (":wrong", InputError, "returned str"),
        (":needs", InputError, "called without arguments"),
    ],
)
def test_an_arch_that_gives_no_network(
    suffix: str, error: type[LipcertError], message: str, mlp: str, tmp_path: Path
) -> None:
    torch.save(mlp_weights(), tmp_path / "m.pt")
    with pytest.raises(error, match=message):
        checkpoint.load(tmp_path / "m.pt", arch=mlp.replace(":mlp", suffix))


@pytest.mark.parametrize("place", ["no_such_package.module:net", "no/such/file.py:net"])
def test_an_arch_that_is_not_there(place: str, tmp_path: Path) -> None:
    torch.save(mlp_weights(), tmp_path / "m.pt")
    with pytest.raises(UsageError, match=r"no_such_package|there is no file"):
        checkpoint.load(tmp_path / "m.pt", arch=place)


def test_an_arch_in_a_package_is_found_from_the_working_directory(
    arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(arch, tmp_path / "some_package_of_nets.py")
    torch.save(mlp_weights(), tmp_path / "m.pt")
    monkeypatch.chdir(tmp_path)
    assert checkpoint.load("m.pt", arch="some_package_of_nets:mlp").module is not None


def test_a_network_built_on_the_meta_device_gets_its_values(
    arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "m.pt")
    assert_holds(checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:empty"), weights)


def test_a_module_whose_shapes_are_not_known_yet_is_refused(arch: str, tmp_path: Path) -> None:
    torch.save(mlp_weights(), tmp_path / "m.pt")
    with pytest.raises(InputError, match="lazy"):
        checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:lazy")


def test_an_unknown_input_shape_is_asked_for(arch: str, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "m.pt")
    with pytest.raises(UsageError, match=r"--input 1,28,28"):
        checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:bare")


def test_an_input_shape_must_be_one(mlp: str, tmp_path: Path) -> None:
    torch.save(mlp_weights(), tmp_path / "m.pt")
    with pytest.raises(UsageError, match="size below 1"):
        checkpoint.load(tmp_path / "m.pt", arch=mlp, inputs=[(0,)])
    with pytest.raises(ResourceError, match="GiB"):
        checkpoint.load(tmp_path / "m.pt", arch=mlp, inputs=[(10**15,)])
    with pytest.raises(UsageError, match="size below 1"):
        checkpoint.load(tmp_path / "m.pt", arch=mlp, inputs=[Ids((3, 0))])
    with pytest.raises(ResourceError, match="GiB"):
        checkpoint.load(tmp_path / "m.pt", arch=mlp, inputs=[Ids((10**15,))])


def test_input_shapes_replace_the_example_and_leave_the_batch_out(
    arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "m.pt")
    model = checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:bare", inputs=[(4,)])
    assert [tuple(x.shape) for x in model.example_inputs] == [(1, 4)]
    again = checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:bare", inputs=[(4,)])
    assert torch.equal(model.example_inputs[0], again.example_inputs[0])


def test_token_ids_may_be_mixed_with_other_inputs(arch: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "m.pt")
    x, ids = checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:bare", inputs=[(4,), Ids((2, 3))]).example_inputs
    assert (x.shape, ids.shape, ids.dtype) == ((1, 4), (1, 2, 3), torch.int64)
