"""What runs leave in a folder: of attacks, certification and training one JSON file and the tables that it names beside
it; of a bound the result and its certificate."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lipcert.store.atomic import require_free, write_json
from lipcert.store.schema import SCHEMA_VERSION, Kind, read_json, shape_problems
from lipcert.store.table import Column, Row, Value, read_table, write_table

RunKind = Literal["attack", "certify"]
TrainTable = Literal["metrics", "activations", "spectra", "casts"]

TRAIN: Kind = "train"
BOUND, CERTIFICATE = "bound.json", "certificate.json"
"""What `lipcert bound` found, and its proof."""


class Table(NamedTuple):
    """What `write_table` takes."""

    columns: Sequence[Column]
    rows: Sequence[Row]


def write_run(
    folder: Path,
    kind: RunKind,
    found: Mapping[str, Any],
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    overwrite: bool = False,
) -> Path:
    """Write KIND.csv, KIND.parquet and, last, KIND.json; the path of the latter.

    found: what the schema of `kind` wants beside schema_version, kind and table.
    Raises OutputError as `write_bytes` does, and ValueError where `found` has not the shape of the schema.
    """
    path = folder / f"{kind}.json"
    require_free(path, overwrite=overwrite)
    _require_shape(kind, _document(kind, {**found, "table": _PLACEHOLDER}))
    table = write_table(folder, kind, columns, rows, overwrite=overwrite)
    write_json(path, _document(kind, {**found, "table": table}), overwrite=overwrite)
    return path


def write_bound(
    folder: Path, result: Mapping[str, Any], certificate: Mapping[str, Any], *, overwrite: bool = False
) -> Path:
    """Write certificate.json and, last, bound.json; the path of the former.

    result, certificate: of the kinds `result` and `certificate`. Raises as `write_run` does.
    """
    require_free_bound(folder, overwrite=overwrite)
    _require_shape("result", result)
    _require_shape("certificate", certificate)
    write_json(folder / CERTIFICATE, certificate, overwrite=overwrite)
    write_json(folder / BOUND, result, overwrite=overwrite)
    return folder / CERTIFICATE


def require_free_bound(folder: Path, *, overwrite: bool) -> None:
    """Refuse before the work what `write_bound` would refuse after it. Raises OutputError."""
    for name in (BOUND, CERTIFICATE):
        require_free(folder / name, overwrite=overwrite)


def read_run(path: Path, kind: RunKind) -> tuple[dict[str, Any], list[dict[str, Value]]]:
    """The JSON of a run and the rows of its table. Raises InputError where one of them is not what was written."""
    found = read_json(path, kind)
    return found, read_table(path.parent, found["table"])


def write_training(
    folder: Path, found: Mapping[str, Any], tables: Mapping[TrainTable, Table], *, overwrite: bool = False
) -> Path:
    """Write TABLE.csv and TABLE.parquet for each table and, last, train.json; the path of the latter.

    found: what the schema wants beside schema_version, kind and tables. Raises as `write_run` does.
    """
    path = folder / f"{TRAIN}.json"
    require_free(path, overwrite=overwrite)
    _require_shape(TRAIN, _document(TRAIN, {**found, "tables": dict.fromkeys(tables, _PLACEHOLDER)}))
    described = {name: write_table(folder, name, *table, overwrite=overwrite) for name, table in tables.items()}
    write_json(path, _document(TRAIN, {**found, "tables": described}), overwrite=overwrite)
    return path


def read_training(path: Path) -> tuple[dict[str, Any], dict[TrainTable, list[dict[str, Value]]]]:
    """The JSON of a training run and the rows of its tables. Raises InputError as `read_run` does."""
    found = read_json(path, TRAIN)
    return found, {name: read_table(path.parent, table) for name, table in found["tables"].items()}


_PLACEHOLDER = {"csv": "a.csv", "parquet": "a.parquet", "rows": 0, "sha256": "0" * 64, "columns": []}


def _document(kind: Kind, found: Mapping[str, Any]) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "kind": kind, **found}


def _require_shape(kind: Kind, document: Mapping[str, Any]) -> None:
    problems = list(shape_problems(dict(document), kind))
    if problems:
        article = "an" if kind == "attack" else "a"
        raise ValueError(f"not the shape of {article} {kind}: " + "; ".join(problems))
