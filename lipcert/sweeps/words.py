"""How trials are put in words, on the screen and on the page."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from lipcert.architectures.arguments import ARGUMENTS
from lipcert.reports.numbers import ratio, up
from lipcert.sweeps.result import Swept, whole_recipe
from lipcert.sweeps.trial import PROVED, Trial
from lipcert.workspace.recipe_fields import Fields

MARK = "●"
"""Stands before the trials of the frontier."""


def head(swept: Sequence[str]) -> list[str]:
    return ["", "trial", *swept, "guaranteed", "loss", "accuracy", "proved bound", "measured", "paper"]


def cells(found: Swept, trial: Trial) -> list[str]:
    """Of the columns of `head`; what has no number says why in the place of the bound."""
    recipe = whole_recipe(found.document["recipe"], trial["change"])
    sure = {True: "yes", False: "no", None: ""}[trial["guaranteed"]]
    loss, right, low = (trial[key] for key in ("validation_loss", "validation_accuracy", "measured"))
    paper = trial["paper_accounting"]
    return [
        MARK if trial["trial"] in found.document["pareto"] else "",
        str(trial["trial"]),
        *(value(recipe.get(key)) for key in found.document["swept"]),
        sure,
        "" if loss is None else f"{loss:.3f}",
        "" if right is None else f"{right:.1%}",
        up(Decimal(trial["upper"])) if trial["status"] == PROVED else trial["status"],
        "" if low is None else f"{low:.4g}",
        "" if paper is None else f"≈{up(Decimal(paper))}",
    ]


def by_bound(trials: Sequence[Trial]) -> list[Trial]:
    """By ascending bound; those without one at the end, in their order."""
    return sorted(trials, key=lambda each: Decimal("Infinity" if each["upper"] is None else each["upper"]))


def value(of: Any) -> str:
    if isinstance(of, bool):
        return "yes" if of else "no"
    if isinstance(of, float):
        return f"{of:g}"
    return ",".join(map(str, of)) if isinstance(of, list) else "" if of is None else str(of)


def without_numbers(trials: Sequence[Trial]) -> list[str]:
    """A sentence for each trial of which something is missing."""
    return [f"trial {each['trial']}: {each['status']}: {each['why']}" for each in trials if each["why"]]


def answer(found: Swept) -> str:
    """What came of the bound that was wanted; empty where none was."""
    target = found.target
    if target is None:
        return ""
    if target.trial is None:
        return f"not reached: no trial has a proved bound, and {target.bound} was wanted"
    bound = Decimal(target.trial["upper"])
    what = f"trial {target.trial['trial']} has a proved bound of {up(bound)}"
    if target.reached:
        return f"reached: {what}, at most {target.bound}, and of those that have, the lowest loss"
    top, bottom = (Decimal(part) for part in (*target.bound.split("/"), "1")[:2])
    return f"not reached: {what}, the smallest, {ratio(bound, top / bottom)} times the {target.bound} that was wanted"


def as_recipe(found: Swept, trial: Trial) -> str:
    """The trial as a table for lipcert.toml, without what are defaults anyway."""
    name = f"{found.document['recipe_name']}-{found.document['name']}-{trial['trial']}"
    recipe = whole_recipe(found.document["recipe"], trial["change"])
    defaults = _defaults(recipe["model"])
    said = {key: of for key, of in recipe.items() if key != "out" and of is not None and of != defaults.get(key)}
    lines = [f"{key} = {json.dumps(of)}" for key, of in said.items()]
    return "\n".join([f"[train.{name}]", *lines])


def _defaults(model: str) -> Mapping[str, Any]:
    fields = {**Fields.model_fields, **ARGUMENTS[model].model_fields}
    return {name: field.default for name, field in fields.items() if not field.is_required()}
