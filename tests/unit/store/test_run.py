"""Runs over examples: the JSON, its schema, and the table beside it."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from lipcert.errors import InputError, OutputError
from lipcert.store.run import RunKind, read_run, write_run
from lipcert.store.table import Column

COLUMNS = (Column("example", "int"), Column("right", "bool"))
ROWS: list[dict[str, Any]] = [{"example": 0, "right": True}, {"example": 1, "right": False}]
FOUND: dict[str, Any] = {
    "model": {"path": "net.pt2", "weights_sha256": {"0.weight": "0" * 64}},
    "data": {"name": "mnist.npz", "sha256": "1" * 64, "examples": 2},
    "suite": "linf",
    "norm": "linf",
    "source": "input",
    "seed": 0,
    "versions": {"lipcert": "0.1.0"},
    "seconds": 1.5,
    "accuracy": [
        {"eps": "8/255", "clean": 0.5, "attacked": 0.5, "certified": 0.0, "by_attack": {"pgd": 0.5, "square": None}}
    ],
    "counters": {"forward": 10, "backward": 4, "rejected": {"pgd": {"outside the norm": 1}}},
    "flags": [{"name": "zero-gradients", "sentence": "The gradient is exactly 0."}],
}


@pytest.mark.parametrize("kind", ["attack", "certify"])
def test_a_run_comes_back_as_it_was_written(tmp_path: Path, kind: RunKind) -> None:
    path = write_run(tmp_path / "new", kind, FOUND, COLUMNS, ROWS)
    assert sorted(each.name for each in path.parent.iterdir()) == [
        f"{kind}.{end}" for end in ("csv", "json", "parquet")
    ]
    found, rows = read_run(path, kind)
    assert rows == ROWS
    assert {key: found[key] for key in FOUND} == FOUND
    assert (found["kind"], found["schema_version"]) == (kind, 1)


def test_an_attack_need_not_certify_nor_certification_attack(tmp_path: Path) -> None:
    found = copy.deepcopy(FOUND)
    found["accuracy"][0]["certified"] = None
    write_run(tmp_path, "attack", found, COLUMNS, ROWS)
    with pytest.raises(ValueError, match="certified"):
        write_run(tmp_path, "certify", found, COLUMNS, ROWS)
    found["accuracy"][0] |= {"certified": 0.25, "attacked": None, "by_attack": {}}
    write_run(tmp_path, "certify", found, COLUMNS, ROWS)


@pytest.mark.parametrize(
    "change",
    [
        {"norm": "l3"},
        {"seed": -1},
        {"accuracy": []},
        {"accuracy": [FOUND["accuracy"][0] | {"eps": "0.1"}]},
        {"accuracy": [FOUND["accuracy"][0] | {"attacked": 1.5}]},
        {"data": FOUND["data"] | {"sha256": "short"}},
        {"counters": FOUND["counters"] | {"forward": 1.0}},
        {"more": 1},
    ],
)
def test_another_shape_is_not_written(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not the shape of an attack"):
        write_run(tmp_path, "attack", FOUND | change, COLUMNS, ROWS)
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_there_is_kept(tmp_path: Path) -> None:
    path = write_run(tmp_path, "attack", FOUND, COLUMNS, ROWS)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"attack\.json exists"):
        write_run(tmp_path, "attack", FOUND | {"seed": 1}, COLUMNS, ROWS[:1])
    assert path.read_bytes() == before
    write_run(tmp_path, "attack", FOUND | {"seed": 1}, COLUMNS, ROWS[:1], overwrite=True)
    assert read_run(path, "attack")[1] == ROWS[:1]


@pytest.mark.parametrize("name", ["../attack.csv", "/etc/passwd", ".hidden", "a\\b", "c:d"])
def test_a_table_elsewhere_is_not_read(tmp_path: Path, name: str) -> None:
    path = write_run(tmp_path, "attack", FOUND, COLUMNS, ROWS)
    found = json.loads(path.read_text())
    found["table"]["csv"] = name
    path.write_text(json.dumps(found))
    with pytest.raises(InputError, match=r"table\.csv"):
        read_run(path, "attack")
