"""The functions of nets.py as `--arch` names them, and weights for its `net`."""

import pytest
import torch
from torch import Tensor

from tests.unit.checkpoint import nets


@pytest.fixture
def arch() -> str:
    """The file, to which a test adds `:function`."""
    return nets.__file__


@pytest.fixture
def mlp(arch: str) -> str:
    return f"{arch}:mlp"


@pytest.fixture
def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    state = nets.bare().state_dict()
    return {name: torch.rand_like(t) if t.is_floating_point() else t for name, t in state.items()}
