"""A training run that several files of tests read."""

import json
from pathlib import Path

import pytest

from tests.cli.train_runs import invoke


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    out = tmp_path_factory.mktemp("finished") / "run"
    result = invoke(out, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["guaranteed"] is True
    return out
