"""A violation is kept as it was measured, and its script measures it again."""

import runpy
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import lipcert
from lipcert.checkpoint.hashing import tensor_sha256
from lipcert.errors import OutputError
from lipcert.store.violation import Network, write_violation

Weights = dict[str, torch.Tensor]
ARCH = "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))\n"


def keep(folder: Path, checkpoint: Path, weights: Weights, **more: Any) -> Path:
    network = Network(checkpoint, {name: tensor_sha256(w) for name, w in weights.items()}, "net.py:net", ["1,2,2"])
    x = torch.full((1, 1, 2, 2), 1 / 3)
    settings = {
        "eps": Fraction(1, 2),
        "norm": "linf",
        "network": network,
        "seed": 7,
        "message": "certified, and fooled",
    }
    return write_violation(folder, x, torch.tensor([0]), x - 0.4, **(settings | more))


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """Of a network whose first logit is the sum of its inputs, which turns from 4/3 to -4/15, and whose second is 0."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(ARCH)
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    module[1].weight.data.copy_(torch.tensor([[1.0] * 4, [0.0] * 4]))
    module[1].bias.data.zero_()
    state = module.state_dict()
    torch.save(state, tmp_path / "net.pt")
    return dict(state)


def reproduce(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    """Runs the script; what it exits with."""
    monkeypatch.setattr(sys, "argv", ["reproduce.py", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(folder / "reproduce.py"), run_name="__main__")
    return end.value.code


def test_the_script_measures_both_numbers_again(
    tmp_path: Path, weights: Weights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = keep(tmp_path / "violation", Path("net.pt"), weights)
    monkeypatch.chdir(folder)
    assert reproduce(folder, monkeypatch) == lipcert.ExitCode.VIOLATED
    shown = capsys.readouterr().out
    assert "certified, and fooled" in shown
    assert "distance 0.4000000" in shown
    assert "margin of the label 1.33" in shown
    assert "-0.2666" in shown


def test_other_weights_are_noticed(tmp_path: Path, weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = keep(tmp_path / "violation", Path("net.pt"), weights)
    weights["1.bias"] += 1
    torch.save(weights, tmp_path / "other.pt")
    said = reproduce(folder, monkeypatch, str(tmp_path / "other.pt"))
    assert "has other weights than the network that was attacked: 1.bias" in said


def test_what_cannot_be_reproduced_ends_with_0(
    tmp_path: Path, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reproduce(keep(tmp_path / "v", Path("net.pt"), weights, eps=Fraction(1, 4)), monkeypatch) == 0


def test_inputs_are_kept_exactly_and_nothing_is_replaced(tmp_path: Path, weights: Weights) -> None:
    context = [torch.tensor([[1, 2]]), torch.zeros(1, 2, dtype=torch.bfloat16)]
    first = keep(tmp_path / "violation", Path("net.pt"), weights, context=context)
    second = keep(tmp_path / "violation", Path("net.pt"), weights)
    assert (first.name, second.name) == ("violation", "violation-2")
    tensors = load_file(first / "inputs.safetensors")
    assert torch.equal(tensors["found"], torch.full((1, 1, 2, 2), 1 / 3) - 0.4)
    assert torch.equal(tensors["context.0"], context[0])
    assert tensors["context.1"].dtype == torch.bfloat16
    assert sorted(path.name for path in first.iterdir()) == ["inputs.safetensors", "reproduce.py", "violation.json"]


def test_a_place_that_cannot_be_made_is_refused(tmp_path: Path, weights: Weights) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        keep(tmp_path / "file" / "violation", Path("net.pt"), weights)
