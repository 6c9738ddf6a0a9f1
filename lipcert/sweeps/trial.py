"""One trial: a training run with other values, of which a row is kept."""

import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lipcert.errors import DivergedError, UsageError
from lipcert.reports.record import read_record
from lipcert.reports.stored import weights_digest
from lipcert.workspace.recipe import Recipe
from lipcert.workspace.recipe_command import train_command

PROVED, UNBOUNDED, DIVERGED, REFUSED = "proved", "unbounded", "diverged", "refused"
"""A finite bound is proved; none is; the loss was no number or leapt; no recipe has these values together."""

SECONDS = 0.0
"""For the search behind each bound: none, because what a clock ends depends on what else the machine does, and so would
what a study tries next."""


class Base(NamedTuple):
    """What is varied: [train.NAME], as a flat table."""

    name: str
    table: Mapping[str, Any]


Trial = dict[str, Any]
"""`change`, `command`, `status` and `why`, and what was measured and proved, None where there is no number: the keys of
`_NUMBERS`. JSON as it stands."""

_NUMBERS = (
    "validation_loss", "validation_accuracy", "upper", "log10_upper", "measured", "paper_accounting", "guaranteed",
    "largest_norm", "weights_sha256", "data_sha256",
)  # fmt: skip


def trial(base: Base, change: dict[str, Any]) -> Trial:
    """Train once, into a folder that is gone afterwards. What has no number says why, and has None in its place."""
    started = time.perf_counter()
    status, why, numbers = _trained(base, change)
    return {
        "change": change,
        "command": train_command(base.name, change, SECONDS),
        "status": status,
        "why": why,
        **{key: numbers.get(key) for key in _NUMBERS},
        "seconds": time.perf_counter() - started,
    }


def _trained(base: Base, change: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Status, why, and the numbers that there are."""
    from lipcert.training.api import train

    with tempfile.TemporaryDirectory(prefix="lipcert-") as folder:
        try:
            recipe = Recipe.of(base.table, change | {"out": folder})
        except UsageError as error:
            return REFUSED, _line(error.message), {}
        try:
            finished = train(recipe, force=True, seconds=SECONDS).finished
        except DivergedError as error:
            return DIVERGED, _line(error.message), {}
        if finished:
            return _read(Path(folder))
    _give_way()
    raise AssertionError("a process that is ended does not go on")


def _read(folder: Path) -> tuple[str, str, dict[str, Any]]:
    """From what the run left, as any other reader has it."""
    record = read_record(folder)
    assert record.training is not None
    found = record.training.document
    numbers = {
        "validation_loss": found["results"]["validation_loss"],
        "validation_accuracy": found["results"]["validation_accuracy"],
        "guaranteed": found["guarantee"]["holds"],
        "largest_norm": max((each["norm"] for each in found["guarantee"]["norms"].values()), default=None),
        "weights_sha256": weights_digest(record),
        "data_sha256": found["data"]["sha256"],
    }
    if not found["bounds"]:
        return UNBOUNDED, "no finite bound; `lipcert bound` says why", numbers
    bound = found["bounds"][0]
    proved = {key: bound[key] for key in ("upper", "log10_upper", "paper_accounting")}
    return PROVED, "", numbers | proved | {"measured": bound["lower"]}


def _give_way() -> None:
    """A run takes SIGINT and SIGTERM as a wish to stop after its step. Whoever sent one wants its process to end."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)


def _line(message: str) -> str:
    return " ".join(message.split())
