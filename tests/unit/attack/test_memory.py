"""Batches as large as memory allows."""

import pytest
import torch
from torch import nn

from lipcert.attacks import memory
from lipcert.attacks.target import Target


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10)).eval()


@pytest.mark.parametrize(("bytes_", "least", "most"), [(2**40, 128, 128), (2**17, 2, 100), (16, 1, 1)])
def test_a_batch_is_what_the_memory_holds(bytes_: int, least: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "physical", lambda: bytes_)
    x, y = torch.rand(3, 64), torch.zeros(3, dtype=torch.int64)
    assert least <= memory.fitting_batch(Target(network()), x, y) <= most


def test_two_workers_have_half_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "physical", lambda: 2**18)
    x, y, target = torch.rand(3, 64), torch.zeros(3, dtype=torch.int64), Target(network())
    alone, shared = (memory.fitting_batch(target, x, y, workers) for workers in (1, 2))
    assert alone // 2 - 1 <= shared <= alone // 2 + 1
