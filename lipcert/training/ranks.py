"""The processes that train together: one, or as many as `torchrun` started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from lipcert.errors import UsageError


@dataclass(frozen=True)
class Ranks:
    """rank: the number of this process, from 0, of `world`."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch; all together have each row once."""
        return rows[self.rank :: self.world]

    def require_shares(self, batch: int, parts: int) -> None:
        """Raises UsageError where processes would have different shares of a part of a batch: means would be wrong."""
        if batch % (parts * self.world):
            raise UsageError(
                f"a batch of {batch} in {parts} parts has no equal shares for {self.world} processes",
                hint=f"Take a batch that is a multiple of {parts * self.world}.",
            )

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in each of them."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """The processes of this run, connected by gloo on CPUs and by NCCL on GPUs; alone without `torchrun`.

    Raises UsageError where the environment names only a part of them.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks()
        return
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except ValueError as error:
        raise UsageError(f"WORLD_SIZE is {world}, and {error}", hint="Use torchrun, or unset WORLD_SIZE.") from error
    try:
        yield Ranks(dist.get_rank(), world)
    finally:
        dist.destroy_process_group()


def device_of(name: str) -> torch.device:
    """The device that a recipe names; "auto" is the GPU of this process where there is one. Raises UsageError."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    device = torch.device(name)
    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= there.get(device.type, 1):
        raise UsageError(f"device {name}: there is no such device here.", hint="Write cpu, or auto.")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device
