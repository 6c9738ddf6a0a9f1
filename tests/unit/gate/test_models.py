"""Other kinds of models and of stored results: exported programs, state dicts, training runs."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from lipcert.cli.main import app
from lipcert.gates.result import Verdict
from tests.unit.gate.made import edit, gated, judged, rule

BOUND = rule("bound", limit=100)
NETWORK = """
from torch import nn

def net():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
"""
CODE = """
from torch import nn

def net():
    return nn.Linear(2, 2, bias=False)
"""
TRAIN = (
    "train --data shakespeare --model gpt --context 8 --width 8 --layers 1 --heads 2 --batch 4 --steps 4 "
    "--optimizer muon --lr 0.1 --constraint soft_cap --w-max 1 --embedding-cap 1 --schedule linear "
    "--validation-batches 2 --seconds 0 --out run"
)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()


def invoke(command: str) -> None:
    result = CliRunner().invoke(app, command.split(), catch_exceptions=False)
    assert result.exit_code == 0, result.output


def settings(folder: Path, entry: str, *rules: str) -> Path:
    (folder / "lipcert.toml").write_text(f"version = 1\n[models.digits]\n{entry}\n" + "".join(rules))
    return folder


def test_the_stored_bound_of_an_exported_program_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.export.save(torch.export.export(network(), (torch.zeros(1, 4),)), "net.pt2")
    invoke("bound net.pt2 --norm l2 --domain everywhere --seconds 0.1 --out found")
    folder = settings(tmp_path, 'path = "net.pt2"\nresults = "found"', BOUND, rule("accuracy", limit=0.5))
    bound, accuracy = gated(folder).rows
    assert (bound.verdict, accuracy.verdict) == (Verdict.PASSED, Verdict.BROKEN)
    other = network()
    nn.init.ones_(other[0].weight)  # type: ignore[arg-type]
    torch.export.save(torch.export.export(other, (torch.zeros(1, 4),)), "net.pt2")
    changed = gated(folder).rows[0]
    assert changed.verdict == Verdict.BROKEN
    assert "weights_sha256" in changed.message


def test_a_workspace_is_judged_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its entries name is named from its own folder: the checkpoint, the function, the results."""
    place = tmp_path / "models"
    place.mkdir()
    torch.save(network().state_dict(), place / "net.pt")
    (place / "gate_net.py").write_text(NETWORK)
    settings(place, 'path = "net.pt"\narch = "gate_net.py:net"\ninput = [4]\nresults = "found"', BOUND)
    monkeypatch.chdir(place)
    invoke("bound net.pt --arch gate_net.py:net --input 4 --norm l2 --domain everywhere --seconds 0.1 --out found")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "chdir", None)  # the folder of a process is that of all its threads
    for fresh in (False, True):
        row = judged(Path("models"), fresh=fresh)
        assert row.verdict == Verdict.PASSED, row.message


def test_workspaces_with_files_of_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    """Each is judged by its own checkpoint, examples and function, whatever the working folder is."""
    rules = rule("accuracy", limit=0.5, examples=4), rule("bound", limit=1000)
    for name, sign in (("right", 1), ("wrong", -1)):
        place = tmp_path / name
        place.mkdir()
        torch.save({"weight": sign * torch.eye(2)}, place / "net.pt")
        (place / "gate_code.py").write_text(CODE)
        np.savez(place / "gate_data.npz", x=np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], y=np.array([0, 1, 0, 1]))
        entry = 'path = "net.pt"\narch = "gate_code.py:net"\ninput = [2]\ndata = "gate_data.npz"'
        settings(place, entry, *rules)
    right, wrong = gated(tmp_path / "right"), gated(tmp_path / "wrong")
    assert [row.verdict for row in right.rows] == [Verdict.PASSED, Verdict.PASSED], right.rows
    assert [row.verdict for row in wrong.rows] == [Verdict.FAILED, Verdict.PASSED], wrong.rows
    assert "gate_data.npz (" in (right.rows[0].reading.claim if right.rows[0].reading else "")


POISONED = """
from torch import nn

class Lost(nn.Module):
    def forward(self, x):
        return x * float("nan")

def net():
    return nn.Sequential(nn.Linear(2, 2), Lost())
"""


def poisoned(folder: Path, *rules: str) -> Path:
    """A network whose last layer returns NaN, of which torch calls the first entry the largest: class 0, the label."""
    torch.save(nn.Sequential(nn.Linear(2, 2)).state_dict(), folder / "net.pt")
    (folder / "gate_nan.py").write_text(POISONED)
    np.savez(folder / "zeros.npz", x=np.zeros((4, 2), np.float32), y=np.zeros(4, np.int64))
    return settings(folder, 'path = "net.pt"\narch = "gate_nan.py:net"\ninput = [2]\ndata = "zeros.npz"', *rules)


@pytest.mark.parametrize("text", [rule("accuracy", limit=0.5, examples=4), rule("largest-activation", limit=100)])
def test_a_network_that_returns_no_number_passes_nothing(text: str, tmp_path: Path) -> None:
    row = judged(poisoned(tmp_path, text))
    assert row.verdict == Verdict.BROKEN, row
    assert "NaN" in row.message or "no finite number" in row.message


def test_more_examples_than_there_are_are_broken(tmp_path: Path) -> None:
    row = judged(poisoned(tmp_path, rule("accuracy", limit=0.5, examples=5)))
    assert row.verdict == Verdict.BROKEN
    assert "the rule asks for 5 examples; zeros.npz has 4." in row.message


def test_a_network_that_cannot_be_loaded_breaks_its_own_rules_alone(tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "net.pt")
    torch.export.save(torch.export.export(network(), (torch.zeros(1, 4),)), tmp_path / "net.pt2")
    (tmp_path / "lipcert.toml").write_text(
        'version = 1\n[models.lost]\npath = "net.pt"\n[models.digits]\npath = "net.pt2"\n'
        + rule("bound", model="lost", limit=100) + BOUND
    )  # fmt: skip
    lost, found = gated(tmp_path).rows
    assert (lost.verdict, found.verdict) == (Verdict.BROKEN, Verdict.PASSED)
    assert "--arch" in lost.hint


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        invoke(TRAIN)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "trained"))


ENTRY = 'path = "run/model.safetensors"\nnorm = "token-rms"\ndomain = "vocabulary"\nresults = "run"'
ACTIVATION = rule("largest-activation", limit=1000)


def test_the_activations_of_a_training_run_are_read(run: Path) -> None:
    row = judged(settings(run, ENTRY, ACTIVATION))
    assert row.verdict == Verdict.PASSED, row.message
    assert row.reading is not None
    assert row.reading.source == "train.json"
    assert judged(settings(run, ENTRY, rule("largest-activation", limit=0.001))).verdict == Verdict.FAILED


@pytest.mark.parametrize(("data", "message"), [("", "names no examples"), ("shakespeare", "holds no attack.json")])
def test_the_validation_accuracy_that_training_stored_meets_no_rule(data: str, message: str, run: Path) -> None:
    edit(run / "run/train.json", lambda found: found["results"].update(validation_accuracy=0.999))
    accuracy = '\n[[gate]]\nmodel = "digits"\nquantity = "accuracy"\nlimit = 0.99\n'
    row = judged(settings(run, f'{ENTRY}\ndata = "{data}"', accuracy))
    assert row.verdict == Verdict.BROKEN
    assert message in row.message


def test_activations_of_other_weights_are_broken(run: Path) -> None:
    edit(run / "run/train.json", lambda found: found["model"]["weights_sha256"].update({"new": "0" * 64}))
    row = judged(settings(run, ENTRY, ACTIVATION))
    assert row.verdict == Verdict.BROKEN
    assert "is about other weights" in row.message
    assert "lipcert train" in row.hint


@pytest.mark.parametrize("stored", ["0" * 64, None])
def test_activations_of_another_network_of_the_same_weights_are_broken(stored: str | None, run: Path) -> None:
    (run / "run/bound.json").unlink()
    edit(run / "run/train.json", lambda found: found["model"].pop("network_sha256"))
    if stored is not None:
        edit(run / "run/train.json", lambda found: found["model"].update(network_sha256=stored))
    row = judged(settings(run, ENTRY, ACTIVATION))
    assert row.verdict == Verdict.BROKEN
    assert "is about another network of these weights than" in row.message


def test_activations_of_other_data_are_broken(run: Path) -> None:
    row = judged(settings(run, f'{ENTRY}\ndata = "other.npz"', ACTIVATION))
    assert row.verdict == Verdict.BROKEN
    assert "asks for other.npz" in row.message


def test_activations_of_training_are_none_of_a_number_of_examples(run: Path) -> None:
    row = judged(settings(run, ENTRY, rule("largest-activation", limit=1000, examples=5)))
    assert row.verdict == Verdict.BROKEN
    assert "the rule asks for 5 examples" in row.message


def test_the_bound_at_the_end_of_training_is_proved_again(run: Path) -> None:
    row = judged(settings(run, ENTRY, rule("bound", limit=1e9)))
    assert row.verdict == Verdict.PASSED, row.message
    assert row.reading is not None
    assert (row.reading.standing, row.reading.source) == ("proved", "bound.json")


def test_a_bound_of_training_without_its_certificate_is_broken(run: Path) -> None:
    (run / "run/bound.json").unlink()
    (run / "run/certificate.json").unlink()
    row = judged(settings(run, ENTRY, BOUND))
    assert row.verdict == Verdict.BROKEN
    assert "holds no bound.json" in row.message
    assert "lipcert bound run/model.safetensors --norm token-rms --domain vocabulary --out run" in row.hint
