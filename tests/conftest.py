"""What every test shares. Shapes in annotations are checked here only (see addopts in pyproject.toml)."""

import os

import torch
from hypothesis import settings

torch.set_num_threads(1)  # two pytest workers; more threads would only fight over the cores

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
