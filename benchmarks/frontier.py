"""The frontier: what every optimiser with every constraint reaches, validation loss against proved bound.

    python -m benchmarks.frontier       # about half an hour on two cores

Each run is [train.frontier] of lipcert.toml with another optimiser, constraint and cap: a GPT of two heads on the plays
that lipcert comes with, well under a minute on one core. Where decay is the constraint of AdamW, three decays take the
place of three caps. Writes reports/frontier; a run that was stopped goes on where it was.
"""

import argparse
import tempfile
import time
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, get_args

from rich.progress import Progress

from lipcert.shard.map import map_items
from lipcert.store.atomic import write_text
from lipcert.store.parts import Resumable
from lipcert.store.table import Column, write_table
from lipcert.training.figures import frontier, save
from lipcert.workspace.load import load
from lipcert.workspace.recipe import Recipe
from lipcert.workspace.recipe_fields import DECAYS, ConstraintName

RECIPE = "frontier"
OUT = Path("reports/frontier")
CAPS = (1.0, 1.5, 2.0)
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
    names = [name for name in get_args(ConstraintName) if name != "none"]
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

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = train(Recipe.of(base | {"out": folder}, change), force=True, seconds=1.0)
        except DivergedError as error:
            return change | {"stopped": error.message}
    assert found.outcome is not None  # nobody stops it
    quality, bound = found.outcome
    return {
        "optimizer": change["optimizer"], "constraint": change["constraint"], "w_max": change.get("w_max"),
        "weight_decay": change.get("weight_decay"), "guaranteed": found.guarantee.holds,
        "largest_norm": max(largest(found.guarantee).values(), default=0.0), "validation_loss": quality.loss,
        "validation_accuracy": quality.accuracy, "log10_bound": None if bound is None else bound.log10_upper,
        "log10_paper": None if bound is None or bound.paper is None else bound.paper.log10,
        "seconds": time.perf_counter() - started,
    }  # fmt: skip


def run(workers: int) -> list[dict[str, Any]]:
    """All rows, those of an earlier call from where it kept them."""
    base = load(Path()).settings.train[RECIPE].to_json()
    changes = trials()
    header = {"recipe": base, "trials": changes, "torch": version("torch")}
    with Resumable(OUT / "parts", header) as kept, Progress() as bar:
        task = bar.add_task("runs", total=len(changes))

        def say(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        found = map_items(partial(trial, base), changes, workers=workers, kept=kept, progress=say)
        return [row for _, row in found]


def show(rows: list[dict[str, Any]]) -> None:
    """The table, as CSV, Parquet and Markdown, and the figure."""
    good = [row for row in rows if "stopped" not in row]
    write_table(OUT, "frontier", COLUMNS, good, overwrite=True)
    save(frontier(good), OUT / "frontier", overwrite=True)
    lines = [_line(row) for row in sorted(good, key=lambda row: (row["optimizer"] != "muon", row["constraint"]))]
    stopped = [f"- {row['optimizer']} + {row['constraint']}: {row['stopped']}" for row in rows if "stopped" in row]
    write_text(
        OUT / "README.md", "\n".join([_HEAD, *lines, *([_STOPPED, *stopped] if stopped else []), ""]), overwrite=True
    )


_HEAD = """# What every optimiser reaches with every constraint

    python -m benchmarks.frontier

[train.frontier] of lipcert.toml, 64 wide, three blocks of one head, 600 steps of 32×64 characters of the plays that
lipcert comes with, on a CPU. The bound is proved, in token-rms from the embedding, over all texts; the paper's own
accounting, an estimate that is no upper bound, stands beside it. *Norm* is the largest norm of a capped weight at the
end, proved, from RMS to RMS.

![Validation loss against proved bound](frontier.png)

| optimiser | constraint | cap or decay | cap guaranteed | norm | validation loss | accuracy | proved bound | by the paper |
|---|---|---|---|---|---|---|---|---|"""

_STOPPED = "\nStopped, because the loss was no number or leapt:\n"


def _line(row: dict[str, Any]) -> str:
    size = f"w_max {row['w_max']:g}" if row["w_max"] else f"λ {row['weight_decay']:g}" if row["weight_decay"] else ""
    norm = f"{row['largest_norm']:.6f}" if row["w_max"] else ""
    bound, paper = (_power(row[name]) for name in ("log10_bound", "log10_paper"))
    sure = "yes" if row["guaranteed"] else "no"
    quality = f"{row['validation_loss']:.3f} | {row['validation_accuracy']:.1%}"
    return f"| {row['optimizer']} | {row['constraint']} | {size} | {sure} | {norm} | {quality} | {bound} | {paper} |"


def _power(log10: float | None) -> str:
    if log10 is None:
        return "none"
    return f"{10**log10:.4g}" if log10 < 6 else f"10^{log10:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, a core each")
    show(run(parser.parse_args().workers))


if __name__ == "__main__":
    main()
