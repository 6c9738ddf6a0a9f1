"""Networks in ONNX files: bounded, the certificate proved again, and attacked by optimisation in float64."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import lipcert
from lipcert import checkpoint
from lipcert.certificate.check import check
from lipcert.graph.capture import capture, trace
from tests.soundness.attack import module_ratio
from tests.unit.onnx_files import ViT, cnn, export, keras, mlp, resnet, seeded, vnncomp

ROUNDING = 1e-9
SECONDS = 0.1


def exported(build: Callable[[], nn.Module], shape: tuple[int, ...], opset: int) -> Callable[[Path], Path]:
    return lambda path: export(seeded(build), shape, path, opset, batch=opset % 2 == 0)


NETWORKS: dict[str, tuple[Callable[[Path], Path], tuple[int, ...]]] = {
    "MLP": (exported(mlp, (6,), 11), (6,)),
    "CNN": (exported(cnn, (1, 16, 16), 13), (1, 16, 16)),
    "residual CNN": (exported(resnet, (1, 8, 8), 12), (1, 8, 8)),
    "ViT": (exported(ViT, (1, 8, 8), 17), (1, 8, 8)),
    "ViT by parts": (exported(ViT, (1, 8, 8), 14), (1, 8, 8)),
    "channels last": (keras, (8, 8, 2)),
    "constants on the left": (vnncomp, (5, 1)),
}


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_measured_ratio_exceeds_the_bound_of_an_onnx_network(name: str, norm: str, tmp_path: Path) -> None:
    write, shape = NETWORKS[name]
    model = checkpoint.load(write(tmp_path / "net.onnx"))
    assert model.module is not None
    found = lipcert.bound(model.module, model.example_inputs, norm=norm, domain=lipcert.Box(0, 1), seconds=SECONDS)
    measured = module_ratio(model.module, shape, norm, (0.0, 1.0), starts=6, rounds=1, steps=6)
    assert 0 < measured <= found.upper * (1 + ROUNDING)
    check(found.certificate, trace(capture(model.module, model.example_inputs), model.example_inputs), "")


@pytest.mark.parametrize(("build", "shape"), [(mlp, (6,)), (ViT, (1, 8, 8))], ids=["MLP", "ViT"])
def test_the_layers_are_those_of_the_module_that_was_exported(
    build: Callable[[], nn.Module], shape: tuple[int, ...], tmp_path: Path
) -> None:
    module, box = seeded(build), lipcert.Box(0, 1)
    model = checkpoint.load(export(module, shape, tmp_path / "net.onnx"))
    assert model.module is not None
    found = lipcert.bound(model.module, model.example_inputs, domain=box, seconds=0.0)
    assert found.product == pytest.approx(
        lipcert.bound(module, torch.rand(1, *shape), domain=box, seconds=0.0).product, rel=1e-6
    )
