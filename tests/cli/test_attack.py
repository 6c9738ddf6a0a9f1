"""`lipcert attack` and `lipcert certify` as a person runs them, on the demo's network."""

import csv
import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lipcert.attacks.budget import Effort
from lipcert.attacks.plan import Plan
from lipcert.bounds.margins import Margins, Row
from lipcert.cli import threat
from lipcert.cli.main import main
from lipcert.errors import ExitCode
from lipcert.norms.norm import NORMS

DEMO = Path(__file__).parents[2] / "demo"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(DEMO, tmp_path / "demo", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(DEMO.parent / "attacks", tmp_path / "attacks")
    shutil.copy(DEMO.parent / "lipcert.toml", tmp_path)
    shutil.copytree(DEMO.parent / "reports/demo/demo", tmp_path / "reports/demo/demo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["lipcert", *arguments])
    return main()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_default_model_is_attacked_and_certified(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("attack", "--eps", "0.1", "--norm", "l2", "--limit", "30", "--steps", "5", "--seconds", "0.2")
    assert run(monkeypatch, *arguments, "--out", "reports/run", "--json") == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    row = found["accuracy"][0]
    assert row["eps"] == "1/10"
    assert 0.5 < row["certified"] <= row["attacked"] <= row["clean"] <= 1
    table = rows(workspace / "reports/run/attack.csv")
    assert len(table) == 30
    assert all(not each["ratio"] or float(each["ratio"]) < 1 for each in table)
    assert run(monkeypatch, *arguments, "--out", "reports/run") == ExitCode.OUTPUT
    assert "--force" in capsys.readouterr().err


def test_certified_radii_are_written_beside_margins(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("certify", "--norm", "l2", "--eps", "0.05", "--limit", "10", "--seconds", "0.2", "--out", "found")
    assert run(monkeypatch, *arguments) == ExitCode.OK
    table = rows(workspace / "found/certify.csv")
    assert len(table) == 10
    assert all(float(each["certified_radius"]) > 0 for each in table if each["right"] == "true")
    assert all(each["attacked_radius"] == "" for each in table)


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--eps", "-1"), ExitCode.USAGE, "above 0"),
        (("--eps", "nan"), ExitCode.USAGE, "no exact number"),
        (("--eps", "0.1", "--attack", "pdg"), ExitCode.USAGE, "pgd"),
        (("--eps", "0.1", "--suite", "quik"), ExitCode.USAGE, "'quick'"),
        (("--eps", "0.1", "--norm", "l3"), ExitCode.USAGE, "token-l2"),
        (("--eps", "3", "--norm", "linf"), ExitCode.USAGE, "larger than the range"),
        (("--data", "nowhere.npz"), ExitCode.INPUT, "nowhere.npz"),
    ],
)
def test_bad_flags_are_refused(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    code: ExitCode,
    words: str,
) -> None:
    assert run(monkeypatch, "attack", *flags, "--limit", "5") == code
    assert words in capsys.readouterr().err


def test_a_run_that_was_stopped_goes_on_where_it_was(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("attack", "--eps", "0.1", "--limit", "20", "--steps", "3", "--batch", "8", "--seconds", "0.1")
    assert run(monkeypatch, *arguments, "--out", "whole") == ExitCode.OK
    assert len(list((workspace / "whole/parts").glob("part-*.json"))) == 3
    shutil.copytree(workspace / "whole/parts", workspace / "again/parts", ignore=shutil.ignore_patterns("part-00001*"))
    assert run(monkeypatch, *arguments, "--out", "again") == ExitCode.OK
    assert (workspace / "again/attack.csv").read_bytes() == (workspace / "whole/attack.csv").read_bytes()
    capsys.readouterr()
    (workspace / "again/attack.json").unlink()  # as if it had been stopped
    assert run(monkeypatch, *arguments, "--seed", "1", "--out", "again") == ExitCode.OUTPUT
    assert "seed" in capsys.readouterr().err
    assert run(monkeypatch, *arguments, "--seed", "1", "--out", "again", "--force") == ExitCode.OK


def test_an_attack_within_a_certified_radius_stops_the_program_and_is_written_down(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_small(self: Margins, label: int, classes: int) -> Row:
        return np.full(classes, 1e-3)

    monkeypatch.setattr(Margins, "against", too_small)
    arguments = ("attack", "--eps", "0.3", "--limit", "20", "--seconds", "0.1", "--out", "found")
    assert run(monkeypatch, *arguments) == ExitCode.VIOLATED
    assert "another class" in capsys.readouterr().err
    assert {path.name for path in (workspace / "found/violation").iterdir()} == {
        "inputs.safetensors", "reproduce.py", "violation.json",
    }  # fmt: skip
    assert not (workspace / "found/attack.json").exists()


@pytest.mark.parametrize(
    ("low", "domain", "kept"),
    [(0.0, "box:0,1", "box:0,1"), (None, "box:0,1", "box:0,1+1/10"), (-1.0, "box:0,1", "box:0,1+1/10")],
)
def test_a_box_is_widened_by_eps_where_no_range_keeps_inputs_in_it(low: float | None, domain: str, kept: str) -> None:
    plan = Plan(NORMS["linf"], (Fraction(1, 10),), ("pgd",), Effort(), low, None if low is None else 1.0)
    assert str(threat._domain(domain, plan, False)) == kept
