"""Attacked beside certified: the smallest radius that fools the network may not lie within the one that is proved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lipcert.attacks.result import AttackResult
from lipcert.bounds.certify import Certified
from lipcert.errors import ViolationError
from lipcert.store.examples import beats
from lipcert.store.table import Row
from lipcert.store.violation import Network, write_violation


def rows(found: AttackResult | None, certified: Certified | None, labels: Tensor, predictions: Tensor) -> list[Row]:
    """A row an example, in their order."""
    radius = _worst(certified.radius) if certified is not None else [None] * len(labels)
    margin = _worst(certified.margin) if certified is not None else found.clean_margin.tolist() if found else []
    attacked = [None if r == torch.inf else r for r in found.radius.tolist()] if found else [None] * len(labels)
    margin64 = [None if m != m else m for m in found.margin64.tolist()] if found else [None] * len(labels)
    table: list[Row] = []
    for i, (label, prediction) in enumerate(zip(labels.tolist(), predictions.tolist(), strict=True)):
        both = radius[i], attacked[i]
        ratio = both[0] / both[1] if both[0] is not None and both[1] else None
        table.append({
            "example": i, "label": label, "prediction": prediction, "right": label == prediction, "margin": margin[i],
            "certified_radius": both[0], "attacked_radius": both[1], "ratio": ratio,
            "margin64": margin64[i],
        })  # fmt: skip
    return table


def _worst(values: Tensor) -> list[Any]:
    """Of the rows of each example."""
    least: list[Any] = values.amin(1).tolist()
    return least


def require_sandwich(
    found: AttackResult,
    certified: Certified,
    x: Tensor,
    y: Tensor,
    network: Network,
    context: Sequence[Tensor],
    out: Path,
) -> None:
    """Raises ViolationError where an input within a certified radius has another class, and writes it down first.

    A case that rounding alone can explain is none: where the network, run in float64, does not change its class.
    """
    limits, radii, margins = _worst(certified.radius), found.radius.tolist(), found.margin64.tolist()
    for row, (limit, radius, margin64) in enumerate(zip(limits, radii, margins, strict=True)):
        if radius == torch.inf or not beats(limit, radius, margin64):
            continue
        message = f"example {row} has another class at {radius!r}, and is certified to {limit!r} in {found.norm}"
        place = write_violation(
            out / "violation", x[row : row + 1], y[row : row + 1], found.adversarial[row : row + 1],
            eps=max(found.eps), norm=found.norm, network=network, seed=found.seed, message=message,
            context=[part[row : row + 1] for part in context],
        )  # fmt: skip
        raise ViolationError(
            message + ".",
            hint=f"This is a bug in lipcert. {place} holds the input and a script that shows it: report both.",
        )
