"""The singular values of a network's weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lipcert.store.table import Column

COLUMNS = (
    Column("step", "int"),
    Column("path", "text"),
    Column("index", "int"),
    Column("value", "float"),
    Column("scaled", "float"),
)


@dataclass(frozen=True)
class Singular:
    """path: of the weight. index: 0 is the largest. scaled: value·√(d_in/d_out), its part in the RMS→RMS norm."""

    path: str
    index: int
    value: float
    scaled: float


def spectra(model: nn.Module) -> list[Singular]:
    """Of every parameter with two axes or more, as a matrix (d_out, d_in): a kernel as (out, in·height·width), an
    embedding as it is stored, with a row a token.

    An estimate in float64, not a proof. Raises torch.linalg.LinAlgError for weights that are not finite.
    """
    return [each for path, weight in model.named_parameters() if weight.ndim > 1 for each in _values(path, weight)]


def rows(step: int, values: Sequence[Singular]) -> list[dict[str, Any]]:
    """For the table `spectra`."""
    return [{"step": step, **vars(each)} for each in values]


def _values(path: str, weight: torch.Tensor) -> list[Singular]:
    matrix = weight.detach().flatten(1).to("cpu", torch.float64)
    factor = (matrix.shape[1] / matrix.shape[0]) ** 0.5
    found = torch.linalg.svdvals(matrix).tolist()
    return [Singular(path, index, value, value * factor) for index, value in enumerate(found)]
