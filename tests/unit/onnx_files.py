"""ONNX files written by torch and by hand, for the tests of several folders."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper, parser
from torch import Tensor, nn

import lipcert
from lipcert import checkpoint

LINEAR = "g (float[1,4] x) => (float[1,3] y) { y = MatMul(x, W) }"
W = np.arange(12, dtype=np.float32).reshape(4, 3)


class Block(nn.Module):
    """A residual block with batch norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.two = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.two(torch.relu(self.norm(self.one(x)))))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = parts[0], parts[1], parts[2]
        weights = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, -1)
        return x + self.out((weights @ v).transpose(1, 2).flatten(2))


class ViT(nn.Module):
    """Patches, a class token, positions, one block, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.token = nn.Conv2d(1, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(torch.randn(1, 5, 8))
        self.attention, self.norm = Attention(8, 2), nn.LayerNorm(8)
        self.wide, self.narrow, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        x = self.attention(x)
        x = x + self.narrow(nn.functional.gelu(self.wide(self.norm(x))))
        return self.head(x[:, 0])


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding="same"),
        nn.LeakyReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip


def resnet() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 3, 3, 2, 1), Block(3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 3))


def seeded(build: "type[nn.Module] | object", seed: int = 0) -> nn.Module:
    assert callable(build)
    torch.manual_seed(seed)
    module: nn.Module = build().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return module


def export(module: nn.Module, shape: tuple[int, ...], path: Path, opset: int = 17, *, batch: bool = False) -> Path:
    """By torch, with the exporter that needs no other package. batch: leaves the number of examples open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.rand(1, *shape),), str(path), dynamo=False, opset_version=opset, input_names=["x"],
            output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}} if batch else None,
        )  # fmt: skip
    return path


def export_dynamo(
    module: nn.Module, inputs: tuple[Tensor, ...], path: Path, *, batch: bool = False, **options: object
) -> Path:
    """By torch's newer exporter, the default. batch: leaves the number of examples open; inputs are then two."""
    open_axes = tuple({0: torch.export.Dim("n")} for _ in inputs) if batch else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, inputs, str(path), dynamo=True, verbose=False, dynamic_shapes=open_axes, **options)  # type: ignore[arg-type]
    return path


def write(path: Path, text: str, opset: int = 17, **weights: np.ndarray) -> Path:
    """A model in ONNX's own notation: "g (float[1,4] x) => (float[1,3] y) { … }"; weights by name."""
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]>\n{text}')
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    path.write_bytes(model.SerializeToString())
    return path


def keras(path: Path) -> Path:
    """As tf2onnx writes it: pictures with the channels last, matrices on the right, a name with a semicolon."""
    draw = np.random.default_rng(0)
    return write(
        path,
        """g (float[n,8,8,2] x) => (float[n,3] y) {
            t = Transpose<perm=[0, 3, 1, 2]>(x)
            c = Conv<auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[3, 3]>(t, K, B)
            r = Relu(c)
            p = MaxPool<kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER">(r)
            b = Transpose<perm=[0, 2, 3, 1]>(p)
            f = Reshape(b, S)
            m = MatMul(f, W)
            y = Add(m, V)
        }""",
        13,
        K=draw.standard_normal((4, 2, 3, 3)).astype(np.float32),
        B=draw.standard_normal(4).astype(np.float32),
        S=np.array([-1, 16]),
        W=draw.standard_normal((16, 3)).astype(np.float32),
        V=draw.standard_normal(3).astype(np.float32),
    )


def vnncomp(path: Path) -> Path:
    """A column as input, constants on the left of products, normalisation in front."""
    draw = np.random.default_rng(1)
    sizes = [(8, 5), (8, 8), (3, 8)]
    layers = {f"W{i}": draw.standard_normal(size).astype(np.float32) for i, size in enumerate(sizes)}
    layers |= {f"B{i}": draw.standard_normal((size[0], 1)).astype(np.float32) for i, size in enumerate(sizes)}
    text = "g (float[5,1] x) => (float[3,1] y) { c = Sub(x, MEAN) v = Div(c, RANGE) "
    for i, before in enumerate(("v", "r0", "r1")):
        last = "y" if i == 2 else f"a{i}"
        text += f"m{i} = MatMul(W{i}, {before}) {last} = Add(m{i}, B{i}) " + (f"r{i} = Relu(a{i}) " if i < 2 else "")
    ends = {"MEAN": draw.standard_normal((5, 1)).astype(np.float32), "RANGE": np.full((5, 1), 3, np.float32)}
    return write(path, text + "}", 9, **layers, **ends)


def rewritten(path: Path, change: "object") -> Path:
    """A model changed in place."""
    assert callable(change)
    model = onnx.load_model(str(path), load_external_data=False)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def loaded(path: Path, **options: Any) -> nn.Module:
    model = checkpoint.load(path, **options)
    assert model.module is not None
    return model.module


def bounded(path: Path) -> lipcert.Bound:
    model = checkpoint.load(path)
    assert model.module is not None
    return lipcert.bound(model.module, model.example_inputs, seconds=0.0)
