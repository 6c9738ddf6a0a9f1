"""Recipes and networks for tests of the optimiser."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lipcert import architectures
from lipcert.training.groups import groups
from lipcert.training.optimizer import ConstrainedOptimizer
from lipcert.workspace.recipe import Recipe

GPT = {"model": "gpt", "width": 16, "layers": 2, "heads": 2, "context": 8}
ENOUGH = {"data": "shakespeare", "optimizer": "muon", "lr": 0.05, "steps": 10, "batch": 2}


def recipe(**changes: Any) -> Recipe:
    return Recipe.of({**GPT, **ENOUGH, **changes})


def gpt(**arguments: Any) -> nn.Module:
    torch.manual_seed(0)
    return architectures.build(
        "gpt", {key: GPT[key] for key in ("width", "layers", "heads", "context")} | {"vocabulary": 11, **arguments}
    )


def started(model: nn.Module, **changes: Any) -> ConstrainedOptimizer:
    optimizer = ConstrainedOptimizer(groups(model, recipe(**changes)))
    optimizer.start()
    return optimizer


def take(steps: int, model: nn.Module, optimizer: ConstrainedOptimizer, *, first: int = 0) -> None:
    """Steps on batches that depend on the step's number alone."""
    for step in range(first, first + steps):
        ids = torch.randint(11, (4, 9), generator=torch.Generator().manual_seed(step))
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
