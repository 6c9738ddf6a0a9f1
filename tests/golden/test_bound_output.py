"""The table and the JSON of a bound, compared with files kept here."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from flint import arb
from rich.console import Console

from lipcert.bounds.accounting import PaperAccounting
from lipcert.bounds.blocks import Block
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
    claim=Claim("l2", "box:0,1", "x", "", (1, 1, 28, 28)),
    ball=arb(10) ** 320,
    lower=1234.5,
    product_ball=arb(2) * arb(10) ** 320,
    rows=ROWS,
    regions=(Region("x", "linear", "multipliers", arb(10) ** 320, arb(2) * arb(10) ** 320),),
    blocks=(),
    certificate={"weights_sha256": {"head.weight": "0" * 64}, "fixed_sha256": {}, "versions": {"lipcert": "0"}},
    seconds=1.5,
)
TRANSFORMER = replace(
    BOUND,
    claim=Claim("l2", "vocabulary+1/10", "embedding", "", (1, 8, 64), module="embedding", through="token-l2"),
    ball=arb(6),
    lower=0.5,
    product_ball=arb(10) ** 400,
    regions=(Region("norm", "heads", "attention", arb(3), arb(4), {"value": arb(1), "softmax": arb(2)}),),
    blocks=(
        Block(
            "add",
            "blocks.0.attention",
            "sum",
            {"skip": arb(1), "value": arb(1), "softmax": arb(2)},
            arb(3),
            arb(3),
            0.75,
        ),
        Block("add_1", "blocks.0.mlp", "sum", {"skip": arb(1), "mlp": arb("1.5")}, arb(2), arb(6), 0.25),
        Block("", "", "token-l2 to l2", {}, arb(1), arb(6), None),
    ),
    paper=PaperAccounting(arb(5)),
)
BOUNDS = {"bound": BOUND, "transformer": TRANSFORMER}


@pytest.mark.parametrize("name", BOUNDS)
def test_the_table(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(file=io.StringIO(), width=100, highlight=False)
    monkeypatch.setattr(show, "console", lambda **_: screen)
    show.show_bound(BOUNDS[name], Path("net.pt2"), Path("certificate.json"), as_json=False)
    assert isinstance(screen.file, io.StringIO)
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    assert "\n".join(lines) + "\n" == (HERE / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BOUNDS)
def test_the_json(name: str) -> None:
    text = json.dumps(BOUNDS[name].to_json(), indent=1, allow_nan=False) + "\n"
    assert text == (HERE / f"{name}.json").read_text(encoding="utf-8")
