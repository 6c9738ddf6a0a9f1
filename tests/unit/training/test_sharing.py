"""Work on matrices shared by processes: the same weights as one process alone."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given
from hypothesis import strategies as st

from lipcert.training.sharing import assign
from tests.unit.training.recipes import gpt, started, take

CASES = [("muon", "soft_cap"), ("muon", "none"), ("adamw", "svd_cap")]


@given(st.lists(st.floats(0.1, 100), max_size=30), st.integers(1, 5))
def test_no_process_has_more_than_the_mean_and_one_item(costs: list[float], world: int) -> None:
    owners = assign(costs, world)
    loads = [sum(cost for cost, owner in zip(costs, owners, strict=True) if owner == rank) for rank in range(world)]
    assert set(owners) <= set(range(world))
    assert max(loads) <= sum(costs) / world + max(costs, default=0) + 1e-9


def trained(optimizer: str, constraint: str) -> dict[str, torch.Tensor]:
    model = gpt(bias=True)
    cap = None if constraint == "none" else 1.5
    take(4, model, started(model, optimizer=optimizer, constraint=constraint, w_max=cap))
    return model.state_dict()


def process(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
    torch.save([trained(*case) for case in CASES], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("world", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_processes_agree_with_one_alone(world: int, tmp_path: Path) -> None:
    mp.spawn(process, (world, str(tmp_path)), nprocs=world)
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(world)]
    for number, case in enumerate(CASES):
        alone = trained(*case)
        for name, weight in alone.items():
            assert torch.allclose(found[0][number][name], weight, rtol=1e-5, atol=1e-6), (case, name)
            assert all(torch.equal(other[number][name], found[0][number][name]) for other in found)
