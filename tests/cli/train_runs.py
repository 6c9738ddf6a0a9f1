"""Tiny training runs: through the command's own functions, or in a process of their own."""

import subprocess
import time
from pathlib import Path

import pandas as pd
from typer.testing import CliRunner, Result

from lipcert.cli.main import app
from tests.cli.terminal import COMMAND, environment

TINY = {
    "model": "gpt", "data": "shakespeare", "context": 8, "width": 8, "layers": 1, "heads": 2, "batch": 4, "steps": 6,
    "optimizer": "muon", "lr": 0.1, "constraint": "soft_cap", "w_max": 1, "embedding_cap": 1, "save_every": 2,
    "evaluate_every": 3, "validation_batches": 2, "schedule": "linear",
}  # fmt: skip
TIMES = ["seconds", "tokens_per_second"]


def arguments(out: Path, **changes: object) -> list[str]:
    flags = {**TINY, **changes, "out": str(out)}
    return ["train", *(part for key, value in flags.items() for part in (f"--{key.replace('_', '-')}", str(value)))]


def invoke(out: Path, *more: str, **changes: object) -> Result:
    return CliRunner().invoke(app, [*arguments(out, **changes), "--seconds", "0", *more])


def rows(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "metrics.csv").drop(columns=TIMES)


def start(out: Path, *more: str, **changes: object) -> "subprocess.Popen[str]":
    command = [*COMMAND, *arguments(out, **changes), "--seconds", "0", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment({}))


def finish(process: "subprocess.Popen[str]") -> int:
    """Wait for the end; its exit code."""
    process.communicate(timeout=300)
    return process.returncode


def until(out: Path, steps: int, process: "subprocess.Popen[str]") -> None:
    """Wait until so many steps are in the metrics."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        path = out / "metrics.csv"
        if path.exists() and path.read_bytes().count(b"\n") > steps:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)
    raise AssertionError("no step in two minutes")
