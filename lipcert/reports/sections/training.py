"""How training went, and in which recipes networks differ."""

from collections.abc import Sequence
from typing import Any

from lipcert.reports.content import Cell, Column, Picture, Section, Table, Text
from lipcert.reports.figures.runs import curves
from lipcert.reports.numbers import percent
from lipcert.reports.record import Document, Record, Training

_ELSEWHERE = frozenset({"out"})
"""Keys of a recipe that say nothing of the network."""


def training(records: Sequence[Record]) -> Section | None:
    """Loss, accuracy and bound against steps, and where they ended."""
    found = {record.name: record.training for record in records if record.training is not None}
    if not found:
        return None
    several = len(records) > 1
    metrics: dict[str, Any] = {name: each.tables["metrics"] for name, each in found.items()}
    alt = ". ".join(f"{name}: {_words(each.document)}" for name, each in found.items())
    caption = "Loss, and what was measured on the way, against steps."
    picture = Picture("training", curves(metrics), caption, f"Curves. {alt}.")
    names = ("steps", "trained on", "weights", "seconds", "training loss", "validation loss", "validation accuracy")
    columns = [Column("model")] * several + [Column(name, number=True) for name in names]
    rows = [[Cell(name)] * several + _cells(each.document) for name, each in found.items()]
    ended = (
        "Where training ended. Trained on: positions of text, else examples. Seconds: without validation and proofs."
    )
    return Section("training", "Training", [picture, Table(ended, columns, rows)])


def _words(found: Document) -> str:
    results = found["results"]
    accuracy = percent(results["validation_accuracy"])
    return f"after {found['steps']} steps validation loss {results['validation_loss']:.4g} and accuracy {accuracy}"


def _cells(found: Document) -> list[Cell]:
    results = found["results"]
    counts = [Cell(f"{found[key]:,}", found[key]) for key in ("steps", "tokens", "parameters")]
    losses = [Cell(f"{results[key]:.4g}", results[key]) for key in ("loss", "validation_loss")]
    accuracy = Cell(percent(results["validation_accuracy"]), results["validation_accuracy"])
    return [*counts, Cell(f"{found['seconds']:.0f}", found["seconds"]), *losses, accuracy]


def recipes(records: Sequence[Record]) -> Section | None:
    """The keys in which recipes differ, a column a network."""
    found = {record.name: record.training for record in records if record.training is not None}
    if len(found) < 2:
        return None
    keys = list(dict.fromkeys(key for each in found.values() for key in _facts(each)))
    columns = [Column("key"), *(Column(name) for name in found)]
    table = {key: [_text(_facts(each).get(key)) for each in found.values()] for key in keys}
    rows = [[Cell(key), *map(Cell, cells)] for key, cells in table.items() if len(set(cells)) > 1]
    if not rows:
        return Section("recipes", "Recipes", [Text("All were trained by the same recipe.")])
    caption = f"What differs; {len(keys) - len(rows)} more keys are alike."
    return Section("recipes", "Recipes", [Table(caption, columns, rows)])


def _facts(each: Training) -> dict[str, Any]:
    """The recipe, and the data that it was really trained on."""
    recipe = {key: value for key, value in each.document["recipe"].items() if key not in _ELSEWHERE}
    return recipe | {"SHA-256 of the data": each.document["data"]["sha256"]}


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
