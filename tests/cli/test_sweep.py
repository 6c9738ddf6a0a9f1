"""`lipcert sweep` as a person runs it."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lipcert.cli.main import app
from lipcert.errors import ExitCode, GateError, OutputError, StoppedError, UsageError
from lipcert.reports.record import read_record
from lipcert.reports.stored import weights_digest
from lipcert.sweeps import api
from tests.unit.sweeps import fake
from tests.unit.sweeps.fake import workspace

ROOT = Path(__file__).parents[2]
TINY = """version = 1
[train.tiny]
model = "gpt"
data = "shakespeare"
context = 8
width = 8
layers = 1
heads = 2
optimizer = "muon"
lr = 0.1
constraint = "soft_cap"
w_max = 1
embedding_cap = 1
steps = 6
batch = 4
evaluate_every = 0
save_every = 0
validation_batches = 2

[sweep.caps]
recipe = "tiny"
grid = [{ w_max = [1, 2], logit_scale = [1.0, 4.0] }, { optimizer = ["adamw"], lr = [1e30], spike = [0.0] }]

[sweep.many]
recipe = "tiny"
grid = [{ seed = [1, 2, 3, 4, 5, 6], steps = [200] }]

[sweep.scales]
recipe = "tiny"
trials = 6
together = 3
[sweep.scales.search]
w_max = { low = 0.5, high = 2, log = true }
heads = [1, 2]

[sweep.target]
recipe = "tiny"
trials = 8
[sweep.target.search]
w_max = { low = 0.5, high = 1, log = true }
logit_scale = { low = 0.25, high = 16, log = true }
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which trials take no time."""
    monkeypatch.chdir(workspace(tmp_path))
    monkeypatch.setattr(api, "trial", fake.trial)
    mapped = api.map_items
    monkeypatch.setattr(api, "map_items", lambda *a, workers, **k: mapped(*a, **k))
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sweep", *arguments])


def run(folder: Path, *arguments: str, **extra: Any) -> subprocess.CompletedProcess[str]:
    """In a process of its own, with real training."""
    (folder / "lipcert.toml").write_text(TINY)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "lipcert.cli.main", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False, **extra
    )


def trials(folder: Path) -> list[dict[str, Any]]:
    """What does not depend on the clock."""
    found = json.loads((folder / "sweep.json").read_text())["trials"]
    return [{key: value for key, value in each.items() if key not in ("seconds", "measured")} for each in found]


def test_a_grid_is_shown_with_its_frontier_marked(root: Path) -> None:
    result = invoke("caps")
    assert result.exit_code == 0, result.output
    assert result.output.count("●") == 5  # four trials, and what it means
    assert "trial 5: diverged: step 3: the loss is no number" in result.output
    assert "kept in reports/sweep-caps" in result.output


def test_json_is_what_is_kept(root: Path) -> None:
    result = invoke("scales", "--json", "--trials", "5", "--seed", "3")
    assert json.loads(result.stdout) == json.loads(Path("reports/sweep-scales/sweep.json").read_text())
    document = json.loads(result.stdout)
    assert (document["plan"]["trials"], document["plan"]["seed"]) == (5, 3)
    assert document["command"] == "lipcert sweep scales --json --trials 5 --seed 3"


def test_a_target_that_is_reached_ends_in_a_recipe_to_paste(root: Path) -> None:
    result = invoke("target", "--target-bound", "2")
    assert result.exit_code == 0, result.output
    table = result.output.partition("[train.small-target-")[2]
    assert "constraint = " in table
    assert "lipcert train small --w-max" in table


def test_a_target_that_is_missed_fails_after_all_is_shown_and_kept(root: Path) -> None:
    result = invoke("target", "--target-bound", "1e-9", "--trials", "4")
    assert isinstance(result.exception, GateError)
    assert result.exception.exit_code == ExitCode.GATE
    assert "not reached" in result.output
    assert Path("reports/sweep-target/sweep.json").exists()


def test_refusals_come_with_their_codes(root: Path) -> None:
    assert isinstance(invoke("cap").exception, UsageError)
    assert isinstance(invoke("caps", "--target-bound", "2").exception, UsageError)
    assert invoke("caps").exit_code == 0
    assert isinstance(invoke("scales", "--out", "reports/sweep-caps").exception, OutputError)


def test_stopped_by_the_user_says_how_to_go_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "trial", stopped)
    result = invoke("caps")
    assert isinstance(result.exception, StoppedError)
    assert result.exception.exit_code == ExitCode.INTERRUPTED
    assert result.exception.hint == "The same command goes on."


@pytest.mark.slow
def test_processes_and_ray_train_the_same_and_each_command_makes_its_run_again(tmp_path: Path) -> None:
    for out, how in (
        ("one", ["--workers", "1"]),
        ("two", ["--workers", "2"]),
        ("ray", ["--ray", "local", "--workers", "2"]),
    ):
        done = run(tmp_path, "sweep", "caps", "--out", out, *how)
        assert done.returncode == 0, done.stderr
        assert "leaked" not in done.stderr
    one, two, ray = (trials(tmp_path / out) for out in ("one", "two", "ray"))
    assert one == two == ray
    assert [each["status"] for each in one] == ["proved"] * 4 + ["diverged"]
    assert one[4]["validation_loss"] is None
    again = run(tmp_path, *shlex.split(one[3]["command"])[1:])
    assert again.returncode == 0, again.stderr
    record = read_record(tmp_path / "reports" / "train-tiny")
    assert weights_digest(record) == one[3]["weights_sha256"]
    assert record.training is not None
    assert record.training.document["bounds"][0]["upper"] == one[3]["upper"]


@pytest.mark.slow
def test_a_study_trains_the_same_with_any_number_of_workers(tmp_path: Path) -> None:
    for out, workers in (("one", "1"), ("three", "3")):
        assert run(tmp_path, "sweep", "scales", "--out", out, "--workers", workers).returncode == 0
    assert trials(tmp_path / "one") == trials(tmp_path / "three")


@pytest.mark.slow
def test_a_bound_of_two_is_reached_by_a_trial_that_was_trained(tmp_path: Path) -> None:
    done = run(tmp_path, "sweep", "target", "--target-bound", "2", "--workers", "2", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    best = document["trials"][document["target"]["trial"] - 1]
    assert float(best["upper"]) <= 2
    assert any(each["upper"] is not None and float(each["upper"]) > 2 for each in document["trials"])


@pytest.mark.slow
def test_ctrl_c_keeps_what_has_ended_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "lipcert.toml").write_text(TINY)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "lipcert.cli.main", "sweep", "many", "--workers", "2"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )  # fmt: skip
    parts = tmp_path / "reports" / "sweep-many" / "parts"
    until = time.monotonic() + 200
    while not list(parts.glob("part-*")) and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all its processes
    _, said = process.communicate(timeout=100)
    assert process.returncode == ExitCode.INTERRUPTED, said
    assert b"The same command goes on" in said
    kept = {path: path.read_bytes() for path in parts.glob("part-*")}
    assert kept
    done = run(tmp_path, "sweep", "many", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(trials(tmp_path / "reports" / "sweep-many")) == 6
