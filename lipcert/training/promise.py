"""What a run promises of its weights, and whether they keep it: norms proved, not estimated."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from flint import arb
from torch import Tensor

from lipcert.errors import ViolationError
from lipcert.norms import ball
from lipcert.norms.search import spectral_norm
from lipcert.training.constraints.guarantee import guarantee
from lipcert.training.optimizer import update_bound
from lipcert.workspace.recipe import Recipe


@dataclass(frozen=True)
class Capped:
    """A weight with a cap: scale times the largest singular value of its matrix is to be at most w_max."""

    name: str
    weight: Tensor
    scale: float
    w_max: float


@dataclass(frozen=True)
class Promise:
    """holds: whether no step of this run can lift a weight above its cap, in exact arithmetic. why: the theorem, or
    what is missing.
    """

    holds: bool
    why: str
    capped: tuple[Capped, ...]


def promise(groups: Sequence[Mapping[str, Any]], recipe: Recipe) -> Promise:
    """What optimiser and constraint of a recipe guarantee for these groups of parameters."""
    capped, found = [], []
    for group in groups:
        if group["w_max"] is None:
            continue
        for name, weight, scale in zip(group["names"], group["params"], group["scales"], strict=True):
            capped.append(Capped(name, weight, scale, group["w_max"]))
            found.append(
                guarantee(
                    group["constraint"], group["method"], w_max=group["w_max"], lr=group["lr"],
                    decay=group["weight_decay"], update=update_bound(group, weight, scale),
                )
            )  # fmt: skip
    if not found:
        return Promise(False, "no weight has a cap", ())
    missing = [*_missing(recipe), *(each.why for each in found if not each.holds)]
    reasons = dict.fromkeys(missing or (each.why for each in found))
    return Promise(not missing, "; ".join(reasons), tuple(capped))


def _missing(recipe: Recipe) -> Iterator[str]:
    """What stands against any guarantee, whatever the constraint."""
    if recipe.arguments.get("tied"):
        yield "the unembedding is the embedding's matrix, which has a cap on its rows at most"
    if torch.get_float32_matmul_precision() != "highest":
        yield "products of float32 are made with fewer bits: torch.set_float32_matmul_precision('highest') is needed"


def largest(promised: Promise) -> dict[str, float]:
    """The proved RMS→RMS norm of every capped weight, rounded up, by name."""
    return {each.name: _norm(each) for each in promised.capped}


def require_kept(promised: Promise) -> None:
    """Raises ViolationError where a weight is above a cap that is guaranteed: then a theorem or its code is wrong."""
    if not promised.holds:
        return
    for each in promised.capped:
        norm = _norm(each)
        if not norm <= each.w_max:
            raise ViolationError(
                f"{each.name}: the norm {norm!r} is above w_max = {each.w_max!r}, which was guaranteed.",
                hint="This is a bug in lipcert: report it with the recipe. The last good state is kept.",
            )


def _norm(capped: Capped) -> float:
    matrix = capped.weight.detach().double().cpu().reshape(len(capped.weight), -1).numpy()
    if not math.isfinite(capped.scale):
        return math.inf
    return ball.up(spectral_norm(matrix).upper * arb(capped.scale))
