"""Tables of results: exact in both files, and a changed one is noticed and named."""

import hashlib
import math
from pathlib import Path
from typing import Any

import fastparquet
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipcert.errors import InputError, OutputError
from lipcert.store.table import Column, read_table, write_table

COLUMNS = (
    Column("example", "int"),
    Column("right", "bool"),
    Column("radius", "float", nullable=True),
    Column("by", "text"),
    Column("robust_8/255", "bool", nullable=True),
    Column("count", "int", nullable=True),
)
ROWS: list[dict[str, Any]] = [
    {"example": 0, "right": True, "radius": 0.1, "by": "pgd", "robust_8/255": False, "count": None},
    {"example": 1, "right": False, "radius": None, "by": "", "robust_8/255": None, "count": 2**63 - 1},
    {"example": 2, "right": True, "radius": math.inf, "by": 'a, "b" é', "robust_8/255": True, "count": -3},
]
CSV = """\
example,right,radius,by,robust_8/255,count
0,true,0.1,pgd,false,
1,false,,,,9223372036854775807
2,true,inf,"a, ""b"" é",true,-3
"""


def parquet(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        frame = fastparquet.ParquetFile(file).to_pandas()
    rows = frame.astype(object).to_dict("records")
    return [{name: None if pd.isna(value) else value for name, value in row.items()} for row in rows]


def test_both_files_hold_the_same_in_the_order_given(tmp_path: Path) -> None:
    described = write_table(tmp_path, "attack", COLUMNS, ROWS)
    assert (tmp_path / "attack.csv").read_text(encoding="utf-8") == CSV
    assert described["sha256"] == hashlib.sha256(CSV.encode()).hexdigest()
    assert (described["rows"], described["csv"], described["parquet"]) == (3, "attack.csv", "attack.parquet")
    assert described["columns"][2] == {"name": "radius", "type": "float", "nullable": True}
    assert read_table(tmp_path, described) == ROWS
    assert parquet(tmp_path / "attack.parquet") == ROWS


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    described = write_table(tmp_path, "attack", COLUMNS, [])
    assert read_table(tmp_path, described) == []
    assert (tmp_path / "attack.csv").read_text().splitlines() == CSV.splitlines()[:1]
    assert parquet(tmp_path / "attack.parquet") == []


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "attack.csv").write_text("precious")
    with pytest.raises(OutputError, match=r"attack\.csv exists"):
        write_table(tmp_path, "attack", COLUMNS, ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["attack.csv"]
    write_table(tmp_path, "attack", COLUMNS, ROWS, overwrite=True)
    assert (tmp_path / "attack.csv").read_text(encoding="utf-8") == CSV


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius": math.nan}, "radius: nan is not a number"),
        ({"radius": 1}, "radius: 1 is not a number"),
        ({"example": True}, "example: True is not an integer"),
        ({"example": None}, "example: None is not an integer"),
        ({"example": 2**63}, "is not an integer"),
        ({"by": "a\nb"}, "without control characters"),
        ({"by": None}, "by: None is not text"),
        ({"other": 1}, "row 0 has columns"),
    ],
)
def test_a_value_of_another_type_is_not_written(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_table(tmp_path, "attack", COLUMNS, [ROWS[0] | change])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("radius,by", "by,radius", "columns in another order"),
        ("radius", "radios", "lacks the columns radius and has the unknown columns radios"),
        ("0,true,0.1", "0,true,0,1", r"csv:2 has 7 cells, not 6"),
        ("0.1", "0.l", r"csv:2: radius is '0\.l'; needed is a number or nothing"),
        ("0.1", "nan", r"csv:2: radius is 'nan'"),
        ("1,false", "1,False", r"csv:3: right is 'False'; needed is true or false"),
        ("1,false", "1.0,false", r"csv:3: example is '1\.0'; needed is an integer"),
        ("1,false", ",false", r"csv:3: example is ''"),
        ("2,true,inf", '2,true,"inf', r"is no CSV|cells"),
        ("2,true,inf", "2,true,1e9999999", r"csv:4: radius is '1e9999999'"),
        ("1,false,,,,9223372036854775807\n", "", "has 2 rows; 3 were written"),
        ("0.1", "0.10", "SHA-256 differs"),
        ("0.1", "0.2", "SHA-256 differs"),
        ("é", "\udcff", "is no UTF-8"),
        (CSV, "", "lacks the columns example"),
    ],
)
def test_a_changed_csv_is_noticed_and_the_line_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    described = write_table(tmp_path, "attack", COLUMNS, ROWS)
    path = tmp_path / "attack.csv"
    assert old in CSV
    path.write_bytes(CSV.replace(old, new, 1).encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=message) as refusal:
        read_table(tmp_path, described)
    assert str(path) in refusal.value.message


def test_a_csv_that_is_gone_is_named(tmp_path: Path) -> None:
    described = write_table(tmp_path, "attack", COLUMNS, ROWS)
    (tmp_path / "attack.csv").unlink()
    with pytest.raises(InputError, match=r"attack\.csv cannot be read"):
        read_table(tmp_path, described)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), max_size=20)
whole = st.integers(-(2**63), 2**63 - 1)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "example": whole,
            "right": st.booleans(),
            "radius": st.none() | st.floats(allow_nan=False),
            "by": texts,
            "robust_8/255": st.none() | st.booleans(),
            "count": st.none() | whole,
        }
    ),
    max_size=5,
)


@given(rows)
def test_every_table_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, given_rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("table")
    described = write_table(folder, "attack", COLUMNS, given_rows)
    assert texts_of(read_table(folder, described)) == texts_of(given_rows)
    assert texts_of(parquet(folder / "attack.parquet")) == texts_of(given_rows)


def texts_of(table: list[dict[str, Any]]) -> list[list[str]]:
    """-0.0 and 0.0 differ here."""
    return [[repr(row[column.name]) for column in COLUMNS] for row in table]
