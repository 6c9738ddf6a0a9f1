"""Weights that do not fit the network, or are no plain numbers, are refused by name."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from lipcert import checkpoint
from lipcert.errors import InputError, LipcertError, UnsupportedError
from tests.unit.checkpoint.files import mlp_weights


def test_every_misfit_is_listed_with_the_nearest_name_first(mlp: str, tmp_path: Path) -> None:
    wrong = mlp_weights()
    wrong["2.wieght"] = wrong.pop("2.weight")
    wrong["unrelated"] = wrong.pop("0.bias")
    wrong["0.weight"] = torch.ones(3, 5)
    torch.save({"state_dict": wrong}, tmp_path / "m.pt")
    with pytest.raises(InputError) as refusal:
        checkpoint.load(tmp_path / "m.pt", arch=mlp)
    lines = refusal.value.message.splitlines()
    assert "(at state_dict)" in lines[0]
    assert lines[1].startswith("  missing in the file: 2.weight (2, 3); nearest in the file: 2.wieght (2, 3)")
    assert lines[2].startswith("  missing in the file: 0.bias (3,)")
    assert {"  unknown to the network: 2.wieght (2, 3)", "  unknown to the network: unrelated (3,)"} <= set(lines)
    assert lines[-1] == "  other shape: 0.weight is (3, 4) in the network and (3, 5) in the file"


def altered(name: str, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    return mlp_weights() | {name: tensor}


def _quantised() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.rand(3, 4), 0.1, 0, torch.qint8)


UNUSABLE: dict[str, tuple[Callable[[], dict[str, torch.Tensor]], type[LipcertError], str]] = {
    "nan": (
        lambda: altered("0.bias", torch.tensor([1, torch.nan, torch.inf])),
        InputError,
        r"0\.bias \(2 of 3",
    ),
    "integer": (lambda: altered("0.weight", torch.ones(3, 4).int()), InputError, r"0\.weight is int32"),
    "complex": (lambda: altered("0.weight", torch.ones(3, 4) * 1j), UnsupportedError, r"0\.weight is complex"),
    "float8": (
        lambda: altered("0.weight", torch.ones(3, 4).to(torch.float8_e4m3fn)),
        UnsupportedError,
        r"0\.weight is quantised \(float8",
    ),
    "sparse": (
        lambda: altered("0.weight", torch.ones(3, 4).to_sparse()),
        UnsupportedError,
        r"0\.weight is sparse",
    ),
    "valueless": (lambda: altered("0.weight", torch.empty(3, 4, device="meta")), UnsupportedError, "no values"),
    "packed": (lambda: {"0.qweight": torch.ones(3, 4).int()}, UnsupportedError, r"quantised: 0\.qweight"),
    "adapter": (
        lambda: {"base.0.lora_A.weight": torch.ones(1, 4), "base.0.lora_B.weight": torch.ones(3, 1)},
        InputError,
        "Merge first",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_weights_that_are_no_plain_numbers_are_refused_by_name(name: str, mlp: str, tmp_path: Path) -> None:
    make, error, message = UNUSABLE[name]
    torch.save(make(), tmp_path / "m.pt")
    with pytest.raises(error, match=message):
        checkpoint.load(tmp_path / "m.pt", arch=mlp)


@pytest.mark.filterwarnings("ignore")  # torch deprecates writing these
def test_a_quantised_tensor_is_refused_by_name(mlp: str, tmp_path: Path) -> None:
    torch.save(altered("0.weight", _quantised()), tmp_path / "m.pt")
    with pytest.raises(UnsupportedError, match=r"0\.weight is quantised \(qint8\)"):
        checkpoint.load(tmp_path / "m.pt", arch=mlp)


def test_an_adapter_is_named_before_an_architecture_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(safetensors_bytes({"a.lora_A.weight": torch.ones(1, 4)}))
    with pytest.raises(InputError, match="Merge first"):
        checkpoint.load(tmp_path / "adapter_model.safetensors")


def test_two_sets_of_weights_that_fit_are_not_chosen_between(
    arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save({"student": weights, "teacher": {n: t + 1 for n, t in weights.items()}}, tmp_path / "m.pt")
    with pytest.raises(InputError, match="student and teacher"):
        checkpoint.load(tmp_path / "m.pt", arch=f"{arch}:net")
