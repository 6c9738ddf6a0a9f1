"""The folder of a sweep and what is printed of it, compared with files kept here."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lipcert.cli import show_sweep
from lipcert.sweeps.keep import read_sweep, write_sweep
from lipcert.sweeps.plan import FOR_TARGET, Plan
from lipcert.sweeps.result import Swept, document
from lipcert.sweeps.trial import Base, Trial
from lipcert.workspace.recipe import Recipe
from tests.unit.sweeps.fake import row

HERE = Path(__file__).parent
BASE = Base(
    "small",
    Recipe.of(
        {"model": "gpt", "data": "shakespeare", "context": 8, "width": 8, "layers": 1, "heads": 2, "optimizer": "muon",
         "lr": 0.1, "constraint": "soft_cap", "w_max": 1, "steps": 6, "batch": 4}
    ).to_json(),
)  # fmt: skip
COMMON = {
    "validation_accuracy": 0.25, "measured": 1.25, "guaranteed": True, "largest_norm": 0.75, "weights_sha256": "a" * 64,
    "data_sha256": "b" * 64, "paper_accounting": "1.50000000000000e+0",
}  # fmt: skip


def changes(cap: float, logits: float, attention: float) -> dict[str, Any]:
    return {"w_max": cap, "logit_scale": logits, "attention_scale": attention}


def proved(change: dict[str, Any], loss: float, upper: str, log10: float) -> Trial:
    return row(BASE, change, validation_loss=loss, upper=upper, log10_upper=log10, **COMMON)


ROWS = [
    proved(changes(1.0, 8.0, 8.0), 2.25, "2.54500000000001e+1", 1.4057),
    proved(changes(1.0, 0.616, 8.0), 3.125, "1.97000000000001e+0", 0.2945),
    proved(changes(0.5, 8.0, 8.0), 2.75, "1.50000000000001e+0", 0.1761),
    proved(changes(2.0, 64.0, 8.0), 2.5, "3.00000000000001e+320", 320.4772),
    row(BASE, changes(0.7, 2.0, 64.0), status="diverged", why="step 12: the loss is no number, first in blocks.0"),
    row(BASE, changes(0.7, 1.0, 1.0), status="unbounded", why="no finite bound; `lipcert bound` says why",
        validation_loss=3.5, **{**COMMON, "measured": None, "paper_accounting": None}),
]  # fmt: skip


def plan(target: str) -> Plan:
    return Plan("target", BASE, None, FOR_TARGET, len(ROWS), 4, 0, Fraction(target))


@pytest.fixture(params=["2", "1/2"], ids=["reached", "missed"])
def swept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Swept]:
    found = document(plan(request.param), ROWS, f"lipcert sweep target --target-bound {request.param}")
    name = "sweep" if request.param == "2" else "sweep-missed"
    return name, write_sweep(tmp_path, {**found, "versions": {"lipcert": "0", "torch": "0"}})


def test_the_page(swept: tuple[str, Swept]) -> None:
    name, found = swept
    assert (found.folder / "README.md").read_text(encoding="utf-8") == (HERE / f"{name}.md").read_text(encoding="utf-8")


def test_the_json_and_the_table(swept: tuple[str, Swept]) -> None:
    name, found = swept
    for ending in ("json", "csv"):
        written = (found.folder / f"sweep.{ending}").read_text(encoding="utf-8")
        assert written == (HERE / f"{name}.{ending}").read_text(encoding="utf-8")
    assert read_sweep(found.folder) == found


def test_the_screen(swept: tuple[str, Swept], monkeypatch: pytest.MonkeyPatch) -> None:
    name, found = swept
    screen = Console(file=io.StringIO(), width=150, highlight=False)
    monkeypatch.setattr(show_sweep, "console", lambda **_: screen)
    show_sweep.show_sweep(Swept(Path("reports/sweep-target"), found.document), as_json=False)
    assert isinstance(screen.file, io.StringIO)
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    assert "\n".join(lines) + "\n" == (HERE / f"{name}.txt").read_text(encoding="utf-8")
