"""State dicts in what people wrap them in, in both formats of torch.save."""

import argparse
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lipcert import checkpoint
from tests.unit.checkpoint.files import assert_holds


def optimiser_state() -> dict[str, Any]:
    module = nn.Linear(4, 3)
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.rand(1, 4)).sum().backward()
    optimiser.step()
    return optimiser.state_dict()


WRAPPINGS: dict[str, tuple[Callable[[dict[str, Tensor]], Any], tuple[str, ...]]] = {
    "plain": (lambda w: w, ()),
    "ordered": (lambda w: OrderedDict(w), ()),
    "parameters": (lambda w: {n: nn.Parameter(t) if t.is_floating_point() else t for n, t in w.items()}, ()),
    "state_dict": (lambda w: {"state_dict": w, "epoch": 3, "acc": torch.tensor(97)}, ("state_dict",)),
    "list": (lambda w: {"state_dict": [w], "err": 0.1}, ("state_dict", "[0]")),
    "tuple": (lambda w: (w, 3), ("[0]",)),
    "deep": (lambda w: {"run": {"model_state": w}}, ("run", "model_state")),
    "with its config": (lambda w: {"model_state": w, "config": {"width": 4, "act": "relu"}}, ("model_state",)),
    "optimiser": (lambda w: {"optimizer": optimiser_state(), "model": w}, ("model",)),
    "average beside": (
        lambda w: {"model_ema": {n: t + 1 for n, t in w.items()}, "model": w},
        ("model",),
    ),
    "twice the same": (lambda w: {"first": w, "second": dict(w)}, ("first",)),
    "data parallel": (lambda w: {f"module.{n}": t for n, t in w.items()}, ("module.*",)),
    "compiled": (lambda w: {f"_orig_mod.{n}": t for n, t in w.items()}, ("_orig_mod.*",)),
    "both": (lambda w: {f"module._orig_mod.{n}": t for n, t in w.items()}, ("module.*",)),
    "inner compiled": (
        lambda w: {n.replace(".", "._orig_mod.", 1): t for n, t in w.items()},
        ("_orig_mod.*",),
    ),
    "trainer": (
        lambda w: {"state_dict": {f"model.{n}": t for n, t in w.items()}, "pytorch-lightning_version": "2"},
        ("state_dict", "model.*"),
    ),
    "split": (
        lambda w: {"head": {n: w[n] for n in w if n[0] == "0"}, "tail": {n: w[n] for n in w if n[0] != "0"}},
        ("head+tail",),
    ),
    "split list": (
        lambda w: [{n: w[n] for n in w if n[0] == "0"}, {n: w[n] for n in w if n[0] != "0"}],
        ("[0]+[1]",),
    ),
    "records": (
        lambda w: {
            "net": w,
            "accuracy": np.float64(0.5),
            "args": argparse.Namespace(lr=0.1),
            "at": Path("x"),
        },
        ("net",),
    ),
    "no batch count": (lambda w: {n: t for n, t in w.items() if "num_batches" not in n}, ()),
}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", WRAPPINGS)
def test_a_wrapped_state_dict(name: str, legacy: bool, arch: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    wrap, unwrapped = WRAPPINGS[name]
    path = tmp_path / "model.bin"
    torch.save(wrap(weights), path, _use_new_zipfile_serialization=not legacy)
    model = checkpoint.load(path, arch=f"{arch}:net")
    assert_holds(model, weights)
    assert model.provenance is not None
    assert model.provenance.unwrapped == unwrapped
    assert model.provenance.arch == f"{arch}:net"
    assert model.provenance.format == ("torch.save before 1.6" if legacy else "torch.save")
