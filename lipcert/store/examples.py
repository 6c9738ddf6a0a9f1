"""The table of examples that attacks and certificates leave: its columns, and which of its rows beat a proof."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from lipcert.errors import InputError
from lipcert.store.table import Column, Value

COLUMNS = (
    Column("example", "int"),
    Column("label", "int"),
    Column("prediction", "int"),
    Column("right", "bool"),
    Column("margin", "float", nullable=True),
    Column("certified_radius", "float", nullable=True),
    Column("attacked_radius", "float", nullable=True),
    Column("ratio", "float", nullable=True),
    Column("margin64", "float", nullable=True),
)
"""margin: proved lower bound where it was certified, else as computed. attacked_radius: the smallest that fools the
network, null where none was found. ratio: certified over attacked. margin64: at the input that fools it, of the network
in float64; null where none was found, or it cannot be run so. Tables of an earlier lipcert have no margin64."""


def require_columns(path: Path, columns: Sequence[Mapping[str, Any]]) -> None:
    """Raises InputError where a table says that it is another: what a row means depends on it. path: of its JSON."""
    known = [asdict(column) for column in COLUMNS]
    if list(columns) not in (known, known[:-1]):
        raise InputError(
            f"{path} describes a table whose columns are not {', '.join(column.name for column in COLUMNS)}",
            hint="It has been changed since: restore it, or run again.",
        )


def certifies(radius: Value, eps: Fraction) -> bool:
    """Whether a certified radius, rounded down to a float, reaches eps: the next float is above it.

    A proof of `radius` is one of every eps below the next float that the domain has room for. NaN, null and 0 certify
    nothing.
    """
    if not isinstance(radius, float) or not radius > 0:
        return False
    above = math.nextafter(radius, math.inf)
    return above == math.inf or above > eps  # floats compare with fractions exactly


def inside(certified: float, attacked: float) -> bool:
    """Whether an input that fools the network lies within the radius that is proved; what is no number does, and a
    radius of 0 proves nothing.
    """
    return certified != 0 and not certified < attacked


def beats(certified: float, attacked: float, margin64: float) -> bool:
    """Whether it beats the proof. It does not where rounding alone can explain it: where the network, run in float64,
    does not change its class there. margin64: NaN where that is not known, which explains nothing.
    """
    return inside(certified, attacked) and not margin64 > 0


def radii(row: Mapping[str, Value]) -> tuple[float, float, float] | None:
    """What `beats` takes, NaN for what is no number; None where the row is wrong to begin with, has no certificate,
    or is never fooled.
    """
    if not row["right"] or row["certified_radius"] is None or row["attacked_radius"] is None:
        return None
    return _number(row["certified_radius"]), _number(row["attacked_radius"]), _number(row.get("margin64"))


def explained(rows: Sequence[Mapping[str, Value]]) -> list[tuple[float, float]]:
    """Certified and attacked radius of the rows where an input lies within what is proved, by rounding alone."""
    found = [each for row in rows if (each := radii(row)) is not None]
    return [each[:2] for each in found if inside(*each[:2]) and not beats(*each)]


def _number(value: Value) -> float:
    return value if isinstance(value, float) else math.nan
