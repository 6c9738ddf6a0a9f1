"""What `lipcert verify`, `ops`, `init` and `check` do, as functions."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import lipcert

DEMO = Path(__file__).parents[2] / "demo" / "digits.safetensors"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = lipcert.load(DEMO)
    assert network.module is not None
    bound = lipcert.bound(network.module, network.example_inputs, domain=lipcert.Box(0, 1), seconds=0.1)
    path = tmp_path_factory.mktemp("proved") / "certificate.json"
    path.write_text(json.dumps(bound.certificate))
    return path


def test_verify_returns_what_was_proved_again(certificate: Path) -> None:
    stages: list[str] = []
    found = lipcert.verify(str(certificate), str(DEMO), progress=lambda doing, done, total: stages.append(doing))
    assert found.claim["norm"] == "l2"
    assert found.claim["domain"] == "box:0,1"
    assert 0 < found.upper < 100
    assert found.upper == pytest.approx(10**found.log10_upper)
    assert found.nodes == 7
    assert stages


def test_verify_refuses_a_smaller_bound(certificate: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(json.loads(certificate.read_text()) | {"upper": "1.0e+0"}))
    with pytest.raises(lipcert.RejectedError, match="upper"):
        lipcert.verify(forged, DEMO)


def test_ops_lists_what_can_be_bounded() -> None:
    found = lipcert.ops()
    assert "linear" in found.rules
    assert "gelu" in found.entrywise
    assert "aten.linear.default" in found.exported
    assert found.used == ()


def test_ops_of_a_network_counts_them_and_names_the_missing(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(x).real.relu().relu()

    torch.export.save(torch.export.export(Odd().eval(), (torch.zeros(1, 8),)), tmp_path / "odd.pt2")
    found = lipcert.ops(tmp_path / "odd.pt2")
    assert {each.name: each.times for each in found.used}["aten.relu.default"] == 2
    assert any("fft" in name for name in found.missing)
    assert all(not each.bounded for each in found.used if each.name in found.missing)


def test_init_and_check_take_a_folder(tmp_path: Path) -> None:
    new = lipcert.init(str(tmp_path)).new
    assert tmp_path / "lipcert.toml" in new
    assert lipcert.check(tmp_path).settings.version == 1
    (tmp_path / "lipcert.toml").write_text("version = 2")
    with pytest.raises(lipcert.InputError, match="version 1"):
        lipcert.check(tmp_path)
