"""`lipcert bound`, `verify` and `ops` as a person runs them, on the demo's network and on bad input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lipcert.bounds import engine
from lipcert.bounds.measure import Measured
from lipcert.cli.main import main
from lipcert.errors import ExitCode
from lipcert.store.schema import read_json, shape_problems

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo" / "digits.safetensors"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["lipcert", *map(str, arguments)])
    return main()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proved") / "certificate.json"
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, "bound", DEMO, "--domain", "box:0,1", "--seconds", "1", "--certificate", path) == 0
    return path


def test_a_certificate_is_written_and_verified(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read_json(certificate, "certificate")
    assert run(monkeypatch, "verify", certificate, DEMO) == ExitCode.OK
    assert "verified" in capsys.readouterr().out


def test_a_certificate_of_other_weights_is_rejected(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    document = json.loads(certificate.read_text())
    name = next(iter(document["weights_sha256"]))
    document["weights_sha256"][name] = "0" * 64
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(document))
    assert run(monkeypatch, "verify", forged, DEMO) == ExitCode.REJECTED
    assert f"weights_sha256.{name}" in capsys.readouterr().err


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_json_has_the_shape_of_its_schema(
    norm: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "bound", DEMO, "--norm", norm, "--seconds", "1", "--json") == ExitCode.OK
    result = json.loads(capsys.readouterr().out)
    assert not list(shape_problems(result, "result"))
    assert result["status"] == "proved"
    assert float(result["upper"]) >= result["lower"] > 0
    assert float(result["upper"]) < float(result["product"])


def test_the_default_model_of_the_workspace_is_bounded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert run(monkeypatch, "bound", "--seconds", "1", "--json") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["claim"]["domain"] == "box:0,1"


def test_an_existing_certificate_is_kept(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = certificate.read_bytes()
    assert run(monkeypatch, "bound", DEMO, "--certificate", certificate) == ExitCode.OUTPUT
    assert certificate.read_bytes() == before
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--norm", "l3"], ExitCode.USAGE, "l2, linf"),
        (["--domain", "box:1,0"], ExitCode.USAGE, "empty"),
        (["--domain", "ball"], ExitCode.USAGE, "everywhere"),
        (["--radius", "0.1"], ExitCode.USAGE, "box"),
        (["--output", "logits"], ExitCode.USAGE, "--output"),
        (["--input", "1,x"], ExitCode.USAGE, "1,28,28"),
        (["--input", "7,7,7"], ExitCode.UNSUPPORTED, "captured"),
    ],
)
def test_flags_that_make_no_sense_are_refused(
    flags: list[str], code: ExitCode, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "bound", DEMO, *flags) == code
    assert said in capsys.readouterr().err


ARCHITECTURE = """
import torch
from torch import nn

class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, x):
        return torch.fft.rfft(torch.sign(self.first(x))).abs()

def odd():
    return Odd(), torch.zeros(1, 4)

def plain():
    return nn.Linear(4, 4), torch.zeros(1, 4)
"""


def test_all_operations_without_a_rule_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd.py").write_text(ARCHITECTURE)
    torch.save({"first.weight": torch.eye(4), "first.bias": torch.zeros(4)}, tmp_path / "odd.pt")
    flags = (tmp_path / "odd.pt", "--arch", f"{tmp_path / 'odd.py'}:odd")
    assert run(monkeypatch, "bound", *flags) == ExitCode.UNSUPPORTED
    said = capsys.readouterr().err
    assert "aten.sign" in said
    assert "fft" in said
    assert run(monkeypatch, "ops", *flags) == ExitCode.UNSUPPORTED
    assert "aten.linear.default" in capsys.readouterr().out


HUGE = """
import torch
from torch import nn

def huge():
    first = nn.Linear(4, 4)
    nn.init.constant_(first.bias, -1.0)  # its ReLU is off near the origin, so values stay finite
    layers = [nn.Linear(4, 4, bias=False) for _ in range(12)]
    for layer in (first, *layers):
        nn.init.eye_(layer.weight)
        layer.weight.data *= 1e30
    first.bias.data *= 1e35
    return nn.Sequential(first, nn.ReLU(), *layers), torch.zeros(1, 4)
"""


def test_a_bound_beyond_every_float_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "huge.py").write_text(HUGE)
    scope: dict[str, object] = {}
    exec(HUGE, scope)
    torch.save(scope["huge"]()[0].state_dict(), tmp_path / "huge.pt")  # type: ignore[operator]
    flags = ("bound", tmp_path / "huge.pt", "--arch", f"{tmp_path / 'huge.py'}:huge", "--seconds", "0.1")
    assert run(monkeypatch, *flags, "--json") == ExitCode.OK
    result = json.loads(capsys.readouterr().out)
    assert not list(shape_problems(result, "result"))
    assert result["upper"].endswith("e+390")
    assert run(monkeypatch, *flags) == ExitCode.OK
    assert "10^390" in capsys.readouterr().out


def test_ops_lists_every_rule(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from lipcert.rules.table import RULES

    assert run(monkeypatch, "ops") == ExitCode.OK
    out = capsys.readouterr().out
    assert all(name in out for name in RULES)


def test_a_ratio_above_the_bound_is_written_down_with_a_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    points = torch.zeros(1, 8, 8, dtype=torch.float64), torch.ones(1, 8, 8, dtype=torch.float64)
    monkeypatch.setattr(engine, "measure", lambda *given, **named: Measured(99.0, *points, 0))
    assert run(monkeypatch, "bound", DEMO, "--domain", "box:0,1", "--seconds", "0.1") == ExitCode.VIOLATED
    assert "reports/violation" in capsys.readouterr().err
    folder = tmp_path / "reports" / "violation"
    again = subprocess.run([sys.executable, folder / "reproduce.py"], capture_output=True, text=True, check=False)
    assert again.returncode == ExitCode.OK, again.stderr  # this one is not real
    assert "measured" in again.stdout
