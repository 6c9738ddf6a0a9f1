"""The frontier: what every optimiser with every constraint reaches, validation loss against proved bound.

    python -m benchmarks.frontier run       # trains what is missing, about a quarter of an hour on two cores
    python -m benchmarks.frontier show      # table and figure from what was trained

Each run is [train.frontier] of lipcert.toml with another optimiser, constraint and cap: a GPT of two heads on the plays
that lipcert comes with, well under a minute on one core. Where decay is the constraint of AdamW, three decays take the
place of three caps. Writes reports/frontier; a run that was stopped goes on where it was.
"""

import argparse
import tempfile
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from rich.progress import Progress

from lipcert.shard.map import map_items
from lipcert.store.parts import Resumable
from lipcert.store.table import Column, write_table
from lipcert.training.figures import frontier, save
from lipcert.workspace.load import load
from lipcert.workspace.recipe import Recipe
from lipcert.workspace.recipe_fields import DECAYS, ConstraintName

OUT = Path("reports/frontier")
CAPS = (1.0, 2.0, 4.0)
DECAY = (3.0, 10.0, 30.0)
LR = {"adamw": 0.01, "muon": 0.1}
COLUMNS = (
    Column("optimizer", "text"), Column("constraint", "text"), Column("w_max", "float", nullable=True),
    Column("weight_decay", "float", nullable=True), Column("guaranteed", "bool"), Column("largest_norm", "float"),
    Column("validation_loss", "float"), Column("validation_accuracy", "float"),
    Column("log10_bound", "float", nullable=True), Column("log10_paper", "float", nullable=True),
    Column("seconds", "float"),
)  # fmt: skip


def trials() -> list[dict[str, Any]]:
    """What each run changes in [train.frontier]."""
    names = [name for name in ConstraintName.__args__ if name != "none"]
    found = [{"optimizer": optimizer, "lr": LR[optimizer], "constraint": "none"} for optimizer in LR]
    for optimizer, constraint in product(LR, names):
        by_decay = optimizer == "adamw" and constraint in DECAYS
        for value in DECAY if by_decay else CAPS:
            key = "weight_decay" if by_decay else "w_max"
            found.append({"optimizer": optimizer, "lr": LR[optimizer], "constraint": constraint, key: value})
    return found


def trial(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """One run, as a row of the table."""
    from lipcert.errors import DivergedError
    from lipcert.training.api import train
    from lipcert.training.promise import largest

    with tempfile.TemporaryDirectory() as folder:
        try:
            found = train(Recipe.of(base | {"out": folder}, change), force=True, seconds=1.0)
        except DivergedError as error:
            return {**change, "diverged": error.message}
    assert found.outcome is not None  # nobody stops it
    quality, bound = found.outcome
    paper = None if bound is None or bound.paper is None else bound.paper.log10
    return {
        "optimizer": change["optimizer"], "constraint": change["constraint"], "w_max": change.get("w_max"),
        "weight_decay": change.get("weight_decay"), "guaranteed": found.guarantee.holds,
        "largest_norm": max(largest(found.guarantee).values(), default=0.0), "validation_loss": quality.loss,
        "validation_accuracy": quality.accuracy, "log10_bound": None if bound is None else bound.log10_upper,
        "log10_paper": paper, "seconds": found.seconds,
    }  # fmt: skip


def run(workers: int) -> list[dict[str, Any]]:
    base = load(Path()).settings.train["frontier"].to_json()
    items, header = trials(), {"recipe": base, "trials": trials()}
    rows = []
    with Resumable(OUT / "parts", header) as kept, Progress() as bar:
        task = bar.add_task("runs", total=len(items))
        say = lambda done, of: bar.update(task, completed=done, total=of)  # noqa: E731
        for _, row in map_items(partial(trial, base), items, workers=workers, kept=kept, progress=say):
            rows.append(row)
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    good = [row for row in rows if "diverged" not in row]
    write_table(OUT, "frontier", COLUMNS, good, overwrite=True)
    save(frontier(good), OUT / "frontier")
