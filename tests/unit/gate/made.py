"""A workspace with one small network, a suite of a second, and stored results of both; what several tests break."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import lipcert
from lipcert.cli.main import app
from lipcert.gates.result import GateResult, Row, Verdict

DEMO = Path(__file__).parents[3] / "demo"
EXAMPLES = 12

SUITE = """
version = 1
space = "input"
norm = "l2"
eps = ["1/10", "1/2", "2"]
range = [0, 1]
steps = 5
attacks = ["pgd", "fgsm"]
"""
HEAD = """
version = 1
suites = ["short"]

[models.digits]
path = "digits.safetensors"
norm = "l2"
domain = "box:0,1"
data = "digits.py:test"
"""

Table = Mapping[str, Any]


def rule(quantity: str, **keys: Any) -> str:
    """A [[gate]] on the network; the examples are few where it is about examples."""
    keys = {"model": "digits", "quantity": quantity} | keys
    if "accuracy" in quantity:
        keys = {"examples": EXAMPLES} | keys
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n[[gate]]\n" + "\n".join(lines) + "\n"


def workspace(folder: Path, *rules: str, results: str = "", head: str = HEAD) -> Path:
    """A folder with the network, its data and these rules. results: of its entry."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "attacks").mkdir(exist_ok=True)
    (folder / "attacks/short.toml").write_text(SUITE)
    for name in ("digits.safetensors", "digits.py", "digits.npz"):
        shutil.copy(DEMO / name, folder)
    (folder / "lipcert.toml").write_text(head + (f'results = "{results}"\n' if results else "") + "".join(rules))
    return folder


def store(folder: Path) -> None:
    """Results of the network in FOLDER/found, as the commands leave them; the current folder has to be this one."""
    commands = (
        "bound digits.safetensors --norm l2 --domain box:0,1 --seconds 0.2 --out found",
        f"attack digits.safetensors --data digits.py:test --suite short --limit {EXAMPLES} --seconds 0.2 --out found",
        f"certify digits.safetensors --data digits.py:test --suite short --limit {EXAMPLES} --seconds 0.2 --out proved",
    )
    for command in commands:
        result = CliRunner().invoke(app, command.split(), catch_exceptions=False)
        assert result.exit_code == 0, result.output


def judged(folder: Path, **options: Any) -> Row:
    """The row of the one rule."""
    (row,) = gated(folder, **options).rows
    return row


def gated(folder: Path, **options: Any) -> GateResult:
    found: GateResult = lipcert.gate(folder, **({"seconds": 0.2} | options))
    return found


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file by hand."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


BOUND = rule("bound", limit=16)
CERTIFIED = rule("certified-accuracy", eps="1/2", limit=0.01)
ATTACKED = rule("attacked-accuracy", eps="1/2", limit=0.5)
ACCURACY = rule("accuracy", limit=0.9)
GOOD = {"bound": BOUND, "certified": CERTIFIED, "attacked": ATTACKED, "accuracy": ACCURACY}


def judge(folder: Path, text: str, results: str = "found", **options: Any) -> Row:
    return judged(workspace(folder, text, results=results), **options)


def require_broken(row: Row, message: str, command: str = "lipcert ") -> None:
    assert (row.verdict, row.reading) == (Verdict.BROKEN, None), row
    assert message in row.message, row.message
    assert command in row.hint, row.hint
