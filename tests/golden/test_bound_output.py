"""The table and the JSON of a bound, compared with files kept here."""

import io
import json
from pathlib import Path

import pytest
from flint import arb
from rich.console import Console

from lipcert.bounds.layers import Layer
from lipcert.bounds.result import Bound, Region, Status
from lipcert.certificate.document import Claim
from lipcert.cli import show

HERE = Path(__file__).parent

ROWS = (
    Layer("conv2d", "features.0", "conv", (1, 8, 13, 13), 2.0, 2.0000001, 0.30103, 5e-8, 2.0000001, 0.30103, 0.25),
    Layer("relu", "", "relu", (1, 8, 13, 13), None, 1.0, 0.0, None, 2.0000001, 0.30103, 0.0),
    Layer("linear", "head", "linear", (1, 10), 1e300, float("inf"), 320.5, None, float("inf"), 320.80103, 0.75),
)
BOUND = Bound(
    status=Status.PROVED,
    claim=Claim("l2", "box:0,1", "x", "", (1, 1, 28, 28), module="stem", through="token-l2"),
    ball=arb(10) ** 320,
    lower=1234.5,
    product_ball=arb(2) * arb(10) ** 320,
    rows=ROWS,
    regions=(
        Region("x", "linear", "multipliers", arb(10) ** 320, arb(2) * arb(10) ** 320),
        Region("x", "heads", "attention", arb(3), arb(4), {"value": arb(1), "softmax": arb(2)}),
    ),
    certificate={"weights_sha256": {"head.weight": "0" * 64}, "versions": {"lipcert": "0"}},
    seconds=1.5,
)


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(file=io.StringIO(), width=100, highlight=False)
    monkeypatch.setattr(show, "console", lambda: screen)
    show.show_bound(BOUND, Path("net.pt2"), Path("certificate.json"), as_json=False)
    assert isinstance(screen.file, io.StringIO)
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    assert "\n".join(lines) + "\n" == (HERE / "bound.txt").read_text(encoding="utf-8")


def test_the_json() -> None:
    text = json.dumps(BOUND.to_json(), indent=1, allow_nan=False) + "\n"
    assert text == (HERE / "bound.json").read_text(encoding="utf-8")
