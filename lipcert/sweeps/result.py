"""What a sweep found: its trials, the frontier among them, and what a target asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lipcert.errors import InputError, UsageError
from lipcert.reports.figures.front import pareto
from lipcert.store.schema import SCHEMA_VERSION
from lipcert.store.table import Column, Type, Value
from lipcert.sweeps.plan import Plan
from lipcert.sweeps.study import reaches
from lipcert.sweeps.trial import PROVED, Trial
from lipcert.workspace.recipe import Recipe, changed
from lipcert.workspace.recipe_keys import keys

Document = Mapping[str, Any]

_TYPES: dict[str, Type] = {"yes or no": "bool", "whole number": "int", "number": "float"}


@dataclass(frozen=True)
class Swept:
    """folder: where it is kept. document: the content of sweep.json."""

    folder: Path
    document: Document = field(repr=False)

    @property
    def trials(self) -> list[Trial]:
        """In the order of their numbers, which begin with 1."""
        found: list[Trial] = self.document["trials"]
        return found

    @property
    def pareto(self) -> list[Trial]:
        """Those to which none is better in one of loss and bound and as good in the other, by ascending bound."""
        return [self.trials[number - 1] for number in self.document["pareto"]]

    @property
    def target(self) -> "Target | None":
        """What was asked for, and the trial that answers it; None where no bound was wanted."""
        asked = self.document["target"]
        if asked is None:
            return None
        number = asked["trial"]
        return Target(asked["bound"], asked["reached"], None if number is None else self.trials[number - 1])


@dataclass(frozen=True)
class Target:
    """bound: an exact number. trial: where it is reached, the one with the lowest loss of those whose own proved bound
    is at most that; else the one with the smallest bound, None where none has one.
    """

    bound: str
    reached: bool
    trial: Trial | None


def document(plan: Plan, rows: Sequence[Trial], command: str) -> dict[str, Any]:
    """What `write_sweep` takes, without the table. Raises InputError where the data changed between trials."""
    trials = [{"trial": number, **row} for number, row in enumerate(rows, 1)]
    _require_same_data(plan, trials)
    packages = ["lipcert", "torch", "numpy", *(["optuna"] if plan.points is None else [])]
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "sweep",
        "name": plan.name,
        "command": command,
        "recipe_name": plan.base.name,
        "recipe": dict(plan.base.table),
        "plan": plan.to_json(),
        "swept": plan.swept,
        "trials": trials,
        "pareto": [each["trial"] for each in pareto(points(plan.base.table, trials))],
        "target": None if plan.target is None else _target(plan.target, trials),
        "versions": {name: version(name) for name in packages},
    }


def points(table: Document, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Of the trials with a loss, rows as `lipcert.reports.figures.frontier` takes them, each with its `trial`."""
    return [_point(whole_recipe(table, each["change"]), each) for each in trials if each["validation_loss"] is not None]


def _point(recipe: Document, trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial["trial"],
        "optimizer": recipe["optimizer"],
        "constraint": recipe["constraint"],
        "w_max": recipe["w_max"],
        "weight_decay": recipe["weight_decay"] if recipe["w_max"] is None else None,
        "guaranteed": trial["guaranteed"],
        "validation_loss": trial["validation_loss"],
        "log10_bound": trial["log10_upper"],
    }


def whole_recipe(table: Document, change: Document) -> dict[str, Any]:
    """The flat recipe of a trial; of values that make none, as far as they say it."""
    try:
        return Recipe.of(table, change).to_json()
    except UsageError:
        return changed(table, change)


def columns(swept: Sequence[str]) -> list[Column]:
    """Of sweep.csv; the keys that are varied stand in the middle."""
    kinds = {key.name: key.kind for key in keys()}
    varied = [Column(key, _TYPES.get(kinds[key], "text"), nullable=kinds[key] in _TYPES) for key in swept]
    return [
        Column("trial", "int"), Column("pareto", "bool"), Column("status", "text"), Column("why", "text"), *varied,
        Column("validation_loss", "float", nullable=True), Column("validation_accuracy", "float", nullable=True),
        Column("upper", "text"), Column("log10_upper", "float", nullable=True),
        Column("measured", "float", nullable=True), Column("paper_accounting", "text"),
        Column("guaranteed", "bool", nullable=True), Column("largest_norm", "float", nullable=True),
        Column("seconds", "float"), Column("weights_sha256", "text"), Column("command", "text"),
    ]  # fmt: skip


def table_rows(found: Document) -> list[dict[str, Value]]:
    """The rows of sweep.csv: numbers as they are, and every key that is varied as it was in the trial."""
    best, rows = set(found["pareto"]), []
    for trial in found["trials"]:
        values = trial | whole_recipe(found["recipe"], trial["change"]) | {"pareto": trial["trial"] in best}
        rows.append({each.name: _cell(values.get(each.name), each.type) for each in columns(found["swept"])})
    return rows


def _cell(value: Any, kind: Type) -> Value:
    if kind == "text":
        return ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return float(value) if kind == "float" and value is not None else value


def _target(target: Fraction, trials: Sequence[Trial]) -> dict[str, Any]:
    reached = [each for each in trials if reaches(each, target)]
    bounded = [each for each in trials if each["status"] == PROVED]
    best = min(reached, key=lambda each: each["validation_loss"], default=None)
    nearest = min(bounded, key=lambda each: Decimal(each["upper"]), default=None)
    answer = best if best is not None else nearest
    return {"bound": str(target), "reached": bool(reached), "trial": None if answer is None else answer["trial"]}


def _require_same_data(plan: Plan, trials: Sequence[Trial]) -> None:
    """Of trials whose recipes name the same data."""
    seen: dict[str, str] = {}
    for each in trials:
        name, digest = each["change"].get("data", plan.base.table["data"]), each["data_sha256"]
        if digest is not None and seen.setdefault(name, digest) != digest:
            raise InputError(
                f"the data {name!r} changed during the sweep: trial {each['trial']} saw others than those before.",
                hint="Restore them, or try all again in another folder with --out.",
            )
