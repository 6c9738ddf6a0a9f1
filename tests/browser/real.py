"""Reports of committed networks, as `lipcert report` and `lipcert compare` write them."""

import shutil
from pathlib import Path

import pytest

import lipcert
from lipcert.cli.main import main
from lipcert.errors import ExitCode

ROOT = Path(__file__).parents[2]
ATTACK = (
    "--data",
    "demo/digits.py:test",
    "--norm",
    "l2",
    "--eps",
    "0.1",
    "--eps",
    "0.5",
    "--limit",
    "20",
    "--steps",
    "5",
)


def write(folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A run folder of the demo's network, its report, and a comparison of it with another; the pages by name."""
    shutil.copytree(ROOT / "demo", folder / "demo", ignore=shutil.ignore_patterns("__pycache__"))
    patch.chdir(folder)
    for arguments in (
        ("bound", "demo/digits.safetensors", "--domain", "box:0,1", "--seconds", "0.2", "--out", "run"),
        ("attack", "demo/digits.safetensors", *ATTACK, "--seconds", "0.2", "--out", "run"),
    ):
        patch.setattr("sys.argv", ["lipcert", *arguments])
        assert main() == ExitCode.OK
    other = ROOT / "reports" / "mnist" / "mnist" / "model.safetensors"
    compared = lipcert.compare(["run", other], out="compared", seconds=0.2)
    assert compared.path is not None
    return {"report": folder / lipcert.report("run"), "comparison": folder / compared.path}
