"""A folder in which the commands of the docs run: the files that they name, small."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lipcert import architectures
from lipcert.checkpoint import lipcert as checkpoint
from tests.docs.pages import ROOT
from tests.soundness.tiny_transformers import tiny
from tests.unit.onnx_files import export

GPT = {"vocabulary": 12, "context": 8, "width": 8, "layers": 1, "heads": 2}

NETWORKS = '''"""What the docs call networks.py and net.py."""

import torch
from torch import nn


def mnist() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))


def net() -> tuple[nn.Module, torch.Tensor]:
    return mnist(), torch.rand(1, 1, 28, 28)
'''
TEXTS = '''"""What the docs call ids.py: texts of token ids, and a label each."""

import torch


def test():
    ids = torch.randint(12, (6, 8), generator=torch.Generator().manual_seed(0))
    return ids, ids.sum(1) % 4
'''
SMALLER = {
    "steps": 6, "warmup": 1, "batch": 4, "accumulate": 1, "context": 16, "width": 24, "validation_batches": 1,
    "evaluate_every": 3, "trials": 10,
}  # fmt: skip
"""Of every recipe and sweep in lipcert.toml."""

# What the Python blocks of the README take for given.
GIVEN = """
import torch, lipcert
import sys; sys.path.append("demo"); import digits
model = lipcert.load("demo/digits.safetensors").module
images, labels = digits.test()
example_inputs, x, y = images[:1], images[:12], labels[:12]
"""


def prepare(folder: Path) -> None:
    """The repository's own small files, and those that a reader would have."""
    for name in ("demo", "attacks", "reports/demo/demo"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "gate-baseline.json", folder)
    text = (ROOT / "lipcert.toml").read_text(encoding="utf-8")
    for key, value in SMALLER.items():
        text = re.sub(rf"^{key} = \d+", f"{key} = {value}", text, flags=re.MULTILINE)
    (folder / "lipcert.toml").write_text(text, encoding="utf-8")
    torch.manual_seed(0)
    _images(folder)
    _others(folder)
    _digits(folder)
    _texts(folder)
    _patches(folder)


def _images(folder: Path) -> None:
    for name in ("networks.py", "net.py"):
        (folder / name).write_text(NETWORKS)
    space: dict[str, Any] = {}
    exec(NETWORKS, space)
    network = space["mnist"]().eval()
    torch.save(network.state_dict(), folder / "weights.pt")
    torch.export.save(torch.export.export(network, (torch.rand(1, 1, 28, 28),)), folder / "net.pt2")
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (64, 28, 28), dtype=np.uint8), draw.integers(0, 10, 64)
    np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=x[:16], y_test=y[:16])


def _others(folder: Path) -> None:
    """Written by the libraries that own the formats: net.onnx, and the folder gpt2."""
    space: dict[str, Any] = {}
    exec(NETWORKS, space)
    export(space["mnist"]().eval(), (1, 1, 28, 28), folder / "net.onnx")
    tiny("GPT2LMHeadModel").save_pretrained(folder / "gpt2")


def _digits(folder: Path) -> None:
    """test.npz, and net.safetensors and other.safetensors for it."""
    for name, widths in (("net", [64, 32, 10]), ("other", [64, 16, 10])):
        shape = {"widths": widths}
        checkpoint.save(folder / f"{name}.safetensors", architectures.build("mlp", shape), "mlp", shape, (1, 8, 8))
    with np.load(ROOT / "demo" / "digits.npz") as found:
        np.savez(folder / "test.npz", x=found["images"][:24].astype(np.float32) / 16, y=found["labels"][:24])


def _texts(folder: Path) -> None:
    (folder / "ids.py").write_text(TEXTS)
    gpt = architectures.build("encoder", GPT | {"classes": 4})
    checkpoint.save(folder / "gpt.safetensors", gpt, "encoder", GPT | {"classes": 4}, (8,), "int64")


class _Patches(nn.Module):
    """What the docs call vit.pt2: tokens that `blocks.0` returns."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(12, 8), nn.Linear(8, 8)])
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.head(x.mean(1))


def _patches(folder: Path) -> None:
    program = torch.export.export(_Patches().eval(), (torch.rand(1, 4, 12),))
    torch.export.save(program, folder / "vit.pt2")


def environment() -> dict[str, str]:
    """As in a log of CI: no colours, a width that is always the same."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = {"PATH": path, "NO_COLOR": "1", "COLUMNS": "120", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **given}


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment(), capture_output=True, text=True, timeout=900, check=False
    )


_LOOP = """
import json, sys, traceback
space = {"__name__": "__docs__"}
for line in sys.stdin:
    try:
        exec(compile(json.loads(line), "<docs>", "exec"), space)
        problem = ""
    except BaseException:
        problem = traceback.format_exc()
    print("\\0" + json.dumps(problem), flush=True)
"""


class Python:
    """One interpreter for all Python blocks of a page, which share their names."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LOOP], cwd=folder, env=environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert not self.run(GIVEN)

    def run(self, code: str) -> str:
        """What went wrong; "" where nothing did."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("\0"):
                return str(json.loads(line[1:]))
        return "the interpreter ended"

    def close(self) -> None:
        self._process.communicate()
