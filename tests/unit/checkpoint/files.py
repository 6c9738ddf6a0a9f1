"""What files hold, and how a loaded network is compared with it."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lipcert import checkpoint


def mlp_weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).state_dict()


def saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def assert_holds(model: checkpoint.Model, weights: Mapping[str, Tensor]) -> None:
    assert model.module is not None
    assert not model.module.training
    loaded = model.module.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name].double(), tensor.double()) for name, tensor in weights.items())
