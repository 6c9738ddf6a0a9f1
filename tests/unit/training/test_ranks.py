"""Devices by name, and a run of one process."""

import torch

from lipcert.training.ranks import Ranks, device_of, joined


def test_one_process_has_every_row() -> None:
    with joined(torch.device("cpu")) as ranks:
        assert ranks.first
        assert torch.equal(ranks.share(torch.arange(5)), torch.arange(5))
        assert ranks.sum(torch.tensor(3.0)) == 3


def test_processes_have_each_row_once() -> None:
    rows = torch.arange(7)
    found = torch.cat([Ranks(rank, 3).share(rows) for rank in range(3)])
    assert torch.equal(found.sort().values, rows)


def test_auto_is_the_cpu_where_there_is_no_gpu() -> None:
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_of("cpu") == torch.device("cpu")
