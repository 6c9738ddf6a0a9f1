"""A stored table of examples: it is about these examples and this network, and the JSON beside it says what it does."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from lipcert.attacks.loss import margin
from lipcert.attacks.run import logits
from lipcert.attacks.session import Session
from lipcert.errors import InputError, ViolationError
from lipcert.reports.counted import require_counted
from lipcert.reports.record import Examples
from lipcert.store.examples import beats, radii
from lipcert.store.run import RunKind
from lipcert.store.table import Value

_ROUNDING = 1e-3
"""Two outputs so near, relative to the largest, may change places on another machine."""


def require_rows(run: Examples, session: Session, kind: RunKind, again: str) -> None:
    """Raises InputError where it is not so, ViolationError where an example is fooled within its certified radius."""
    rows, labels = run.rows, session.y.tolist()
    if [row["example"] for row in rows] != list(range(len(labels))) or [row["label"] for row in rows] != labels:
        raise InputError(f"{kind}.csv has not the examples of the data, or other labels.", hint=again)
    wrong = [row["example"] for row in rows if row["right"] is not (row["label"] == row["prediction"])]
    outputs = logits(session)
    wrong += _unlike(outputs, torch.tensor([row["prediction"] for row in rows]))
    wrong += _beside(outputs, session.y, torch.tensor([_number(row["margin"]) for row in rows]))
    wrong += [row["example"] for row in rows if _certified(row) and not (row["right"] and _above_zero(row["margin"]))]
    if wrong:
        raise InputError(f"{kind}.csv: example {wrong[0]} is not what the network makes of it.", hint=again)
    _require_sandwich(run, kind, again)
    require_counted(run, kind, again)


def _unlike(outputs: Tensor, stored: Tensor) -> list[int]:
    """The examples whose stored class is not the network's, rounding apart."""
    known = (stored >= 0) & (stored < outputs.shape[-1])
    chosen = outputs.gather(-1, stored.where(known, 0)[:, None])[:, 0]
    near = chosen >= outputs.amax(-1) - _ROUNDING * outputs.abs().amax(-1)
    return [int(number) for number in (~(known & near)).nonzero()[:, 0]]


def _beside(outputs: Tensor, labels: Tensor, stored: Tensor) -> list[int]:
    """The examples whose stored margin is not the network's, rounding apart: another function of the same weights may
    leave all classes as they are.
    """
    away = (margin(outputs, labels) - stored).abs()
    return [int(number) for number in (~(away <= _ROUNDING * outputs.abs().amax(-1))).nonzero()[:, 0]]


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _certified(row: Mapping[str, Value]) -> bool:
    return row["certified_radius"] is not None and row["certified_radius"] != 0


def _above_zero(value: Value) -> bool:
    return isinstance(value, float) and value > 0


def _require_sandwich(run: Examples, kind: RunKind, again: str) -> None:
    for row in run.rows:
        found = radii(row)
        if found is None or not beats(*found):
            continue
        known = "margin64" in row
        message = f"{kind}.csv: example {row['example']} is certified to {found[0]!r} and fooled at {found[1]!r}."
        raise ViolationError(
            message if known else f"{message} An earlier lipcert wrote the table, without what rounding explains.",
            hint="Attack again without stored results, which writes down what shows it: lipcert gate --fresh"
            if known
            else again,
        )
