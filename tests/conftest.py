"""What every test shares. Shapes in annotations are checked here only (see addopts in pyproject.toml)."""

import os

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)  # two pytest workers; more threads would only fight over the cores

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs the tests may say how wide its own terminal is; a test that is about widths says so itself."""
    monkeypatch.delenv("COLUMNS", raising=False)
