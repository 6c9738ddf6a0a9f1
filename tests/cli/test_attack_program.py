"""`lipcert attack` and `lipcert certify` on programs of torch.export, beside the networks they were exported from."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lipcert.architectures import build
from lipcert.cli.main import main
from lipcert.errors import ExitCode
from lipcert.reports.record import read_record

FEW = ("--eps", "0.05", "--steps", "3", "--seconds", "0.1")


def net() -> nn.Module:
    """As --arch names it."""
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 5))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["lipcert", *arguments])
    return main()


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def exported(network: nn.Module, example: torch.Tensor, path: str) -> None:
    torch.export.save(torch.export.export(network.eval(), (example,)), path)


def require_alike(ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> None:
    """Classes and certified radii the same, attacked radii but for rounding."""
    for mine, other in zip(ours, theirs, strict=True):
        for key in ("label", "prediction", "certified_radius"):
            assert mine[key] == other[key]
        assert bool(mine["attacked_radius"]) == bool(other["attacked_radius"])
        if mine["attacked_radius"]:
            assert float(mine["attacked_radius"]) == pytest.approx(float(other["attacked_radius"]), rel=1e-3)


def test_a_program_is_attacked_and_certified_as_its_weights_are_with_arch(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = net().eval(), torch.rand(6, 1, 8, 8)
    np.savez("data.npz", x=x.numpy(), y=network(x).argmax(1).numpy())
    exported(network, x[:1], "net.pt2")
    torch.save(network.state_dict(), "net.pt")
    assert run(monkeypatch, "attack", "net.pt2", "--data", "data.npz", *FEW, "--out", "ours") == ExitCode.OK
    arch = ("--arch", "tests.cli.test_attack_program:net", "--input", "1,8,8")
    assert run(monkeypatch, "attack", "net.pt", *arch, "--data", "data.npz", *FEW, "--out", "theirs") == ExitCode.OK
    ours = table("ours/attack.csv")
    require_alike(ours, table("theirs/attack.csv"))
    assert any(row["attacked_radius"] for row in ours)
    assert all(float(row["certified_radius"]) > 0 for row in ours)


def test_a_program_that_continues_text_is_attacked_and_certified_at_the_last_token(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = {"vocabulary": 10, "context": 8, "width": 16, "layers": 1, "heads": 2, "zero_init": False}
    network = build("gpt", shape).eval()
    exported(network, torch.randint(10, (1, 8)), "gpt.pt2")
    torch.save(network, "gpt.pt")
    Path("text.txt").write_text("abcdefghij" * 50)
    data = (
        "--data",
        "text.txt",
        "--tokenizer",
        "chars",
        "--limit",
        "5",
        "--eps",
        "1",
        "--steps",
        "3",
        "--seconds",
        "0.1",
    )
    assert run(monkeypatch, "attack", "gpt.pt2", *data, "--out", "ours") == ExitCode.OK
    module = ("gpt.pt", "--trust-pickle", "--input", "ids:8")
    assert run(monkeypatch, "attack", *module, *data, "--out", "theirs") == ExitCode.OK
    require_alike(table("ours/attack.csv"), table("theirs/attack.csv"))


def test_a_program_of_tokens_is_perturbed_from_its_embedding_beside_its_bound(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 3)).eval()
    ids = torch.randint(9, (5, 3))
    exported(network, ids[:1], "net.pt2")
    np.savez("data.npz", x=ids.numpy(), y=network(ids).argmax(1).numpy())
    assert run(monkeypatch, "certify", "net.pt2", "--data", "data.npz", "--eps", "0.1", "--out", "found") == ExitCode.OK
    assert all(float(row["certified_radius"]) > 0 for row in table("found/certify.csv"))
    assert run(monkeypatch, "bound", "net.pt2", "--seconds", "0.1", "--out", "found") == ExitCode.OK
    record = read_record(Path("found"), "net")
    assert record.bound is not None
    assert record.bound["claim"]["module"] == record.examples["certify"].document["source"] == "0"
    assert run(monkeypatch, "attack", "net.pt2", "--data", "data.npz", *FEW, "--source", "7") == ExitCode.USAGE
    assert "no module '7'" in capsys.readouterr().err
