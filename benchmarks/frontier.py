"""The frontier: what every optimiser with every constraint reaches, validation loss against proved bound.

    python -m benchmarks.frontier constraints       # about half an hour on two cores
    python -m benchmarks.frontier scales            # a quarter of an hour

Each run is [train.frontier] of lipcert.toml with other values: a GPT on the plays that lipcert comes with, well under a
minute on one core. `constraints` varies optimiser, constraint and cap; where decay is the constraint of AdamW, three
decays take the place of three caps. `scales` varies depth, width and the scales of attention and logits under a cap.
Writes reports/frontier and reports/scales; a study that was stopped goes on where it was.
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

from lipcert.reports.figures import frontier, save
from lipcert.shard.map import map_items
from lipcert.store.atomic import write_text
from lipcert.store.parts import Resumable
from lipcert.store.table import Column, write_table
from lipcert.workspace.load import load
from lipcert.workspace.recipe import Recipe
from lipcert.workspace.recipe_fields import DECAYS, ConstraintName

RECIPE = "frontier"
REPORTS = {"constraints": Path("reports/frontier"), "scales": Path("reports/scales")}
CAPS = (1.0, 1.5, 2.0)
DECAY = (3.0, 10.0, 30.0)
LR = {"adamw": 0.01, "muon": 0.1}
COLUMNS = (
    Column("optimizer", "text"), Column("constraint", "text"), Column("changes", "text"),
    Column("w_max", "float", nullable=True),
    Column("weight_decay", "float", nullable=True), Column("guaranteed", "bool"), Column("largest_norm", "float"),
    Column("validation_loss", "float"), Column("validation_accuracy", "float"),
    Column("log10_bound", "float", nullable=True), Column("log10_paper", "float", nullable=True),
    Column("seconds", "float"),
)  # fmt: skip


def constraints() -> list[dict[str, Any]]:
    """What each run changes in [train.frontier]."""
    names = [name for name in get_args(ConstraintName) if name != "none"]
    found = [{"optimizer": optimizer, "lr": LR[optimizer], "constraint": "none"} for optimizer in LR]
    for optimizer, constraint in product(LR, names):
        by_decay = optimizer == "adamw" and constraint in DECAYS
        for value in DECAY if by_decay else CAPS:
            key = "weight_decay" if by_decay else "w_max"
            found.append({"optimizer": optimizer, "lr": LR[optimizer], "constraint": constraint, key: value})
    return found


def scales() -> list[dict[str, Any]]:
    """Depth, width and scales under w_max = 1, one at a time from a middle, and some together."""
    middle = {"constraint": "soft_cap", "w_max": 1.0, "layers": 1, "attention_scale": 8.0, "logit_scale": 8.0}
    one_by_one: dict[str, list[Any]] = {
        "layers": [2, 3], "heads": [2, 4], "width": [32, 128], "attention_scale": [2.0, 4.0, 16.0, 32.0],
        "logit_scale": [1.0, 2.0, 4.0, 16.0, 32.0], "attention_output": [0.1, 1.0], "w_max": [0.7, 1.5],
    }  # fmt: skip
    changes = [middle, *(middle | {key: value} for key, values in one_by_one.items() for value in values)]
    return [
        *changes,
        middle | {"attention_scale": 16.0, "logit_scale": 4.0},
        middle | {"width": 128, "logit_scale": 4.0},
    ]


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
    changes = ", ".join(
        f"{key} {value:g}" for key, value in change.items() if not isinstance(value, str) and key != "lr"
    )
    return {
        "optimizer": change.get("optimizer", base["optimizer"]), "constraint": change["constraint"], "changes": changes,
        "w_max": change.get("w_max"),
        "weight_decay": change.get("weight_decay"), "guaranteed": found.guarantee.holds,
        "largest_norm": max(largest(found.guarantee).values(), default=0.0), "validation_loss": quality.loss,
        "validation_accuracy": quality.accuracy, "log10_bound": None if bound is None else bound.log10_upper,
        "log10_paper": None if bound is None or bound.paper is None else bound.paper.log10,
        "seconds": time.perf_counter() - started,
    }  # fmt: skip


def run(study: str, workers: int) -> list[dict[str, Any]]:
    """All rows, those of an earlier call from where it kept them."""
    base = load(Path()).settings.train[RECIPE].to_json()
    changes = STUDIES[study]()
    header = {"recipe": base, "trials": changes, "torch": version("torch")}
    with Resumable(REPORTS[study] / "parts", header) as kept, Progress() as bar:
        task = bar.add_task("runs", total=len(changes))

        def say(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        found = map_items(partial(trial, base), changes, workers=workers, kept=kept, progress=say)
        return [row for _, row in found]


STUDIES = {"constraints": constraints, "scales": scales}


def show(study: str, rows: list[dict[str, Any]]) -> None:
    """The table, as CSV, Parquet and Markdown, and the figure."""
    out, good = REPORTS[study], [row for row in rows if "stopped" not in row]
    write_table(out, "frontier", COLUMNS, good, overwrite=True)
    save(frontier(good), out / "frontier", overwrite=True)
    lines = [_line(row) for row in sorted(good, key=lambda row: row["log10_bound"] or 0.0)]
    stopped = [f"- {row['optimizer']} + {row['constraint']}: {row['stopped']}" for row in rows if "stopped" in row]
    parts = [_HEAD.format(study=study), *lines, *([_STOPPED, *stopped] if stopped else []), ""]
    write_text(out / "README.md", "\n".join(parts), overwrite=True)


_HEAD = """# Validation loss against proved bound: {study}

    python -m benchmarks.frontier {study}

[train.frontier] of lipcert.toml with the changes of each row: 600 steps of 32×64 characters of the plays that lipcert
comes with, on a CPU. The bound is proved, in token-rms from the embedding, over all texts; the paper's own accounting,
an estimate that is no upper bound, stands beside it. *Norm* is the largest norm of a capped weight at the end, proved,
from RMS to RMS.

![Validation loss against proved bound](frontier.png)

| optimiser | constraint | changes | cap guaranteed | norm | validation loss | accuracy | proved bound | paper |
|---|---|---|---|---|---|---|---|---|"""

_STOPPED = "\nStopped, because the loss was no number or leapt:\n"


def _line(row: dict[str, Any]) -> str:
    norm = f"{row['largest_norm']:.6f}" if row["w_max"] else ""
    bound, paper = (_power(row[name]) for name in ("log10_bound", "log10_paper"))
    sure = "yes" if row["guaranteed"] else "no"
    what = f"{row['optimizer']} | {row['constraint']} | {row['changes']}"
    quality = f"{row['validation_loss']:.3f} | {row['validation_accuracy']:.1%}"
    return f"| {what} | {sure} | {norm} | {quality} | {bound} | {paper} |"


def _power(log10: float | None) -> str:
    if log10 is None:
        return "none"
    return f"{10**log10:.4g}" if log10 < 6 else f"10^{log10:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=list(STUDIES))
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, a core each")
    options = parser.parse_args()
    show(options.study, run(options.study, options.workers))


if __name__ == "__main__":
    main()
