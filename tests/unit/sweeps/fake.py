"""Trials that take no time: what comes of one follows from its values. Workers import them by name."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lipcert.sweeps.trial import Base, Trial
from lipcert.workspace.recipe_command import train_command

RECIPE = """version = 1
[train.small]
model = "gpt"
data = "shakespeare"
context = 8
width = 8
layers = 1
heads = 2
optimizer = "muon"
lr = 0.1
constraint = "soft_cap"
w_max = 1
steps = 6
batch = 4

[train.flat]
model = "mlp"
data = "digits.npz"
widths = [64, 16, 10]
optimizer = "adamw"
lr = 0.01
steps = 6
batch = 4
"""
GRID = RECIPE + "[sweep.caps]\nrecipe = 'small'\ngrid = [{ w_max = [0.5, 1, 2], logit_scale = [1.0, 8.0] }]\n"
SEARCH = """
[sweep.scales]
recipe = "small"
trials = 11
together = 3
[sweep.scales.search]
w_max = { low = 0.5, high = 2, log = true }
logit_scale = { low = 1, high = 64, log = true }
heads = [1, 2, 4]
width = { low = 8, high = 16 }
[sweep.target]
recipe = "small"
trials = 16
"""


def workspace(root: Path, text: str = GRID + SEARCH) -> Path:
    (root / "lipcert.toml").write_text(text, encoding="utf-8")
    return root


def trial(base: Base, change: dict[str, Any]) -> Trial:
    """A smooth loss and bound; above a cap of 1.9 the loss leaps, and heads want a width that they divide."""
    recipe = {**base.table, **change}
    if recipe["width"] % (2 * recipe["heads"]):
        return row(base, change, status="refused", why="width 9 is no multiple of heads 2")
    if recipe["w_max"] > 1.9:
        return row(base, change, status="diverged", why="step 3: the loss is no number")
    bound = recipe["w_max"] ** 6 * recipe["logit_scale"] ** 0.95 * recipe["attention_scale"] ** 0.5
    return row(
        base, change, validation_loss=4 / (1 + math.log1p(bound)), validation_accuracy=0.25, upper=f"{bound:.14e}",
        log10_upper=math.log10(bound), measured=bound / 3, paper_accounting="1.5e+0", guaranteed=True,
        largest_norm=recipe["w_max"], weights_sha256="0" * 64, data_sha256="1" * 64,
    )  # fmt: skip


def row(base: Base, change: dict[str, Any], **known: Any) -> Trial:
    nothing = dict.fromkeys(
        ("validation_loss", "validation_accuracy", "upper", "log10_upper", "measured", "paper_accounting", "guaranteed",
         "largest_norm", "weights_sha256", "data_sha256")
    )  # fmt: skip
    begin = {"change": change, "command": train_command(base.name, change, 0.0), "status": "proved", "why": ""}
    return {**begin, **nothing, "seconds": 1.0, **known}


def flaky(after: int) -> Iterator[None]:
    """Nothing so many times, and then Ctrl-C."""
    yield from [None] * after
    raise KeyboardInterrupt
