"""`lipcert train` under `torchrun`: two processes end where one does."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lipcert.store.run import read_training
from tests.cli.train_runs import arguments, rows

LAUNCH = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]


def run(out: Path, *launch: str, **changes: object) -> str:
    """What is said on stderr."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launch, "-m", "lipcert.cli.main", *arguments(out, **changes), "--seconds", "0"]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert found.returncode == 0, found.stderr
    return found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_two_processes_have_the_losses_of_one(tmp_path: Path, optimizer: str) -> None:
    changes = {"optimizer": optimizer, "lr": 0.02, "accumulate": 2, "constraint": "hard_cap", "steps": 8}
    changes["validation_batches"] = 3  # one process has a batch more than the other
    run(tmp_path / "one", **changes)
    said = run(tmp_path / "two", *LAUNCH, **changes)
    assert said.count("step 8:") == 1  # the first process alone talks
    one, two = (rows(tmp_path / name) for name in ("one", "two"))
    assert list(one.step) == list(two.step)
    for column in ("loss", "validation_loss", "gradient_norm"):
        pd.testing.assert_series_equal(one[column], two[column], rtol=1e-4)
    assert read_training(tmp_path / "two" / "train.json")[0]["processes"] == 2
