"""A recipe made into what is trained: data, network, optimiser, schedule, and what is promised of the weights."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from lipcert.architectures.table import build
from lipcert.training.batches import Task, task
from lipcert.training.groups import groups
from lipcert.training.optimizer import ConstrainedOptimizer
from lipcert.training.promise import Promise, promise
from lipcert.training.ranks import Ranks
from lipcert.workspace.recipe import Recipe


@dataclass(frozen=True)
class Session:
    """arguments: all of the architecture. model: the network; shared: the same, with gradients averaged over processes,
    where there are several; forward: what is called, compiled where the recipe says so.
    """

    recipe: Recipe
    arguments: dict[str, Any]
    task: Task
    model: nn.Module
    shared: nn.parallel.DistributedDataParallel | None
    forward: nn.Module
    optimizer: ConstrainedOptimizer
    schedule: LambdaLR
    promise: Promise
    device: torch.device
    ranks: Ranks

    def logits(self, x: Tensor, by: nn.Module | None = None) -> Tensor:
        """What the network returns for a batch, on its device and in the precision that the recipe names.

        by: `model` itself, in place of `forward`.
        """
        half = self.recipe.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            y: Tensor = (by or self.forward)(x.to(self.device, non_blocking=True))
        return y.float()

    @property
    def data(self) -> dict[str, Any]:
        """What the examples are and how they become numbers."""
        return {"name": self.task.name, "sha256": self.task.sha256, "tokens": dict(self.task.tokens)}


def open_session(recipe: Recipe, device: torch.device, ranks: Ranks) -> Session:
    """Build everything; the weights are those that the seed says, brought under their caps.

    Raises InputError where the data do not fit the network, or cannot be read, UsageError where processes cannot share
    the batch.
    """
    ranks.require_shares(recipe.batch, recipe.accumulate)
    data = task(recipe)
    arguments = recipe.complete(data.facts)
    torch.manual_seed(recipe.seed)
    model = build(recipe.model, arguments).to(device)
    parts = groups(model, recipe)
    promised = promise(parts, recipe)
    optimizer = ConstrainedOptimizer(parts)
    optimizer.start()
    schedule = LambdaLR(optimizer, _share_of_lr(recipe))
    shared = nn.parallel.DistributedDataParallel(model) if ranks.world > 1 else None
    forward: nn.Module = shared or model
    if recipe.compile:
        forward = torch.compile(forward)  # type: ignore[assignment]
    return Session(recipe, arguments, data, model, shared, forward, optimizer, schedule, promised, device, ranks)


def _share_of_lr(recipe: Recipe) -> Any:
    """Step (from 0) → the share of the learning rate that it takes: up to 1 in `warmup` steps, then as scheduled."""

    def share(step: int) -> float:
        if step < recipe.warmup:
            return (step + 1) / (recipe.warmup + 1)
        done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
        left = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[recipe.schedule]
        return recipe.final_lr + (1 - recipe.final_lr) * left

    return share
