"""What was found example by example: a table as CSV and as Parquet, and the CSV read back with every cell checked."""

import csv
import hashlib
import io
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lipcert.errors import InputError
from lipcert.store.atomic import require_free, write_bytes

Type = Literal["int", "float", "bool", "text"]
Value = int | float | bool | str | None

_WORDS = {"int": "an integer", "float": "a number", "bool": "true or false", "text": "text without control characters"}
_INT = re.compile(r"-?[0-9]{1,19}")
_FLOAT = re.compile(r"-?([0-9]+(\.[0-9]+)?(e[+-]?[0-9]{1,4})?|inf)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]")
_BOOLS = {"true": True, "false": False}
_PARQUET = {"int": "Int64", "float": "Float64", "bool": "boolean", "text": "object"}
_SHOWN = 60


@dataclass(frozen=True)
class Column:
    """int has 64 bits, float is finite or infinite and never NaN. nullable: null is allowed; never in text."""

    name: str
    type: Type
    nullable: bool = False


Row = Mapping[str, Value]


def write_table(
    folder: Path, name: str, columns: Sequence[Column], rows: Sequence[Row], *, overwrite: bool = False
) -> dict[str, Any]:
    """Write NAME.csv and NAME.parquet, with the same columns in this order, and describe them as the schemas want it.

    CSV: UTF-8, one line a row, floats with as many digits as they need to come back exactly, null as nothing.
    Raises OutputError where one of the files exists or cannot be written, ValueError for a row that is none.
    """
    path, packed = folder / f"{name}.csv", folder / f"{name}.parquet"
    content = to_csv(columns, rows)
    for each in (path, packed):
        require_free(each, overwrite=overwrite)
    write_bytes(packed, _to_parquet(columns, rows), overwrite=overwrite)
    write_bytes(path, content, overwrite=overwrite)
    return {
        "csv": path.name,
        "parquet": packed.name,
        "rows": len(rows),
        "sha256": hashlib.sha256(content).hexdigest(),
        "columns": [asdict(column) for column in columns],
    }


def read_table(folder: Path, described: Mapping[str, Any]) -> list[dict[str, Value]]:
    """The rows of the CSV that `write_table` described. Raises InputError, naming the line, where it is not that."""
    path = folder / described["csv"]
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="Keep it beside its JSON file.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text", hint="Store it as UTF-8.") from error
    columns = [Column(**column) for column in described["columns"]]
    rows = list(parse_csv(path, text, columns))
    if len(rows) != described["rows"]:
        raise InputError(f"{path} has {len(rows)} rows; {described['rows']} were written", hint=_HINT)
    if hashlib.sha256(content).hexdigest() != described["sha256"]:
        raise InputError(f"{path} is not what was written: its SHA-256 differs from the one in the JSON", hint=_HINT)
    return rows


_HINT = "It has been changed since: restore it, or run again."


def to_csv(columns: Sequence[Column], rows: Sequence[Row]) -> bytes:
    """The CSV of `write_table`. Raises ValueError for a row that is none."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    names = {column.name for column in columns}
    for number, row in enumerate(rows):
        if set(row) != names:
            raise ValueError(f"row {number} has columns {sorted(row)}, not {sorted(names)}")
        writer.writerow([_cell(row[column.name], column) for column in columns])
    return buffer.getvalue().encode()


def _cell(value: Value, column: Column) -> str:
    if value is None and column.nullable and column.type != "text":
        return ""
    if not _fits(value, column.type):
        raise ValueError(f"{column.name}: {value!r} is not {_WORDS[column.type]}")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fits(value: Value, kind: Type) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "int":
        return type(value) is int and -(2**63) <= value < 2**63
    if kind == "float":
        return type(value) is float and not math.isnan(value)
    return isinstance(value, str) and not _CONTROL.search(value)


def _to_parquet(columns: Sequence[Column], rows: Sequence[Row]) -> bytes:
    import fastparquet  # type: ignore[import-untyped]
    import pandas as pd

    frame = pd.DataFrame(
        {c.name: pd.array([row[c.name] for row in rows], dtype=_PARQUET[c.type]) for c in columns}  # type: ignore[call-overload]
    )
    encoding = {column.name: "utf8" for column in columns if column.type == "text"}
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / "table.parquet"
        fastparquet.write(str(draft), frame, object_encoding=encoding, write_index=False)
        return draft.read_bytes()


def parse_csv(path: Path, text: str, columns: Sequence[Column]) -> Iterator[dict[str, Value]]:
    """The rows of such a CSV. Raises InputError, naming `path` and the line, where it is none of these columns."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        _require_header(path, next(lines, []), [column.name for column in columns])
        for cells in lines:
            if len(cells) != len(columns):
                raise InputError(f"{path}:{lines.line_num} has {len(cells)} cells, not {len(columns)}", hint=_HINT)
            yield {c.name: _value(f"{path}:{lines.line_num}", cell, c) for cell, c in zip(cells, columns, strict=True)}
    except csv.Error as error:
        raise InputError(f"{path}:{lines.line_num} is no CSV: {error}", hint=_HINT) from error


def _require_header(path: Path, seen: list[str], names: list[str]) -> None:
    if seen == names:
        return
    missing, unknown = [n for n in names if n not in seen], [n for n in seen if n not in names]
    parts = [f"lacks the columns {', '.join(missing)}"] if missing else []
    parts += [f"has the unknown columns {', '.join(unknown)}"[: 5 * _SHOWN]] if unknown else []
    what = " and ".join(parts) or "has its columns in another order, or repeated"
    raise InputError(f"{path} {what}; written were {', '.join(names)}", hint=_HINT)


def _value(place: str, cell: str, column: Column) -> Value:
    if cell == "" and column.nullable and column.type != "text":
        return None
    try:
        return _PARSE[column.type](cell)
    except (ValueError, KeyError, OverflowError):
        needed = _WORDS[column.type] + (" or nothing" if column.nullable else "")
        raise InputError(f"{place}: {column.name} is {cell[:_SHOWN]!r}; needed is {needed}", hint=_HINT) from None


def _matched(pattern: re.Pattern[str], cell: str) -> str:
    if not pattern.fullmatch(cell):
        raise ValueError(cell)
    return cell


_PARSE: dict[str, Callable[[str], Value]] = {
    "int": lambda cell: int(_matched(_INT, cell)),
    "float": lambda cell: float(_matched(_FLOAT, cell)),
    "bool": lambda cell: _BOOLS[cell],
    "text": lambda cell: cell,
}
