"""`lipcert inspect`: what a file is, as a person and as a machine reads it."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from lipcert.cli.main import main
from lipcert.errors import ExitCode


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save({"state_dict": nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).state_dict()}, "weights.pt")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["lipcert", "inspect", *arguments])
    return main()


def test_tensors_layers_and_the_command_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "weights.pt") == ExitCode.OK
    told = capsys.readouterr().out
    for words in ("state_dict", "0.weight", "8×4", "linear 4 → 8", "lipcert bound weights.pt --arch"):
        assert words in told


def test_json_is_all_of_stdout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "weights.pt", "--json") == ExitCode.OK
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_the_stub_is_written_bounds_the_weights_and_replaces_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "weights.pt", "--stub", "net.py") == ExitCode.OK
    kept = Path("net.py").read_text()
    assert run(monkeypatch, "weights.pt", "--stub", "net.py") == ExitCode.OUTPUT
    assert Path("net.py").read_text() == kept
    monkeypatch.setattr("sys.argv", ["lipcert", "bound", "weights.pt", "--arch", "net.py:net", "--seconds", "0.1"])
    assert main() == ExitCode.OK
    assert "proved" in capsys.readouterr().out


def test_a_foreign_file_is_named_and_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("notes.txt").write_text("no checkpoint")
    assert run(monkeypatch, "notes.txt") == ExitCode.INPUT
    assert "text" in capsys.readouterr().err
    assert run(monkeypatch, "missing.pt") == ExitCode.INPUT
