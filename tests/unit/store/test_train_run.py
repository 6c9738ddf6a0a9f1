"""Training runs: the JSON, its schema, the tables beside it, and the logs that become tables."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipcert.errors import InputError, OutputError
from lipcert.store.log import Log, read_log
from lipcert.store.run import Table, TrainTable, read_training, write_training
from lipcert.store.schema import read_json
from lipcert.store.table import Column, to_csv, write_table
from lipcert.training import casts, metrics, observe, spectra

CLAIM = {
    "norm": "token-rms", "domain": "everywhere", "source": "embedding", "output": "", "arithmetic": "real",
    "shape": [1, 64, 32], "module": "embedding", "through": "token-l2",
}  # fmt: skip
FOUND: dict[str, Any] = {
    "name": "small",
    "command": "lipcert train small --seed 3",
    "recipe": {"model": "gpt", "width": 32, "w_max": None},
    "model": {"path": "model.safetensors", "weights_sha256": {"embedding.weight": "0" * 64}},
    "parameters": 12345,
    "data": {"name": "shakespeare", "sha256": "1" * 64, "tokens": {"kind": "chars", "characters": "ab"}},
    "seed": 3,
    "device": "cpu",
    "processes": 1,
    "versions": {"lipcert": "0.1.0"},
    "seconds": 1.5,
    "steps": 2,
    "tokens": 128,
    "guarantee": {"holds": True, "why": "soft cap", "norms": {"unembedding.weight": {"norm": 1.9, "w_max": 2.0}}},
    "bounds": [
        {"claim": CLAIM, "upper": "1.25e+400", "log10_upper": 400.1, "lower": 0.5, "paper_accounting": "2.5"},
    ],
    "results": {"loss": 2.5, "validation_loss": 2.6, "validation_accuracy": 0.25},
}
METRICS = {
    "step": 1, "seconds": 0.5, "tokens": 64, "loss": 3.5, "lr": 0.1, "gradient_norm": 1.0, "tokens_per_second": 128.0,
    "accuracy": None, "validation_loss": None, "validation_accuracy": 0.5, "log10_bound": float("inf"),
}  # fmt: skip
TABLES: dict[TrainTable, Table] = {
    "metrics": Table(metrics.COLUMNS, [METRICS, METRICS | {"step": 2}]),
    "activations": Table(observe.COLUMNS, [{"step": 2, "path": "blocks.0", "largest": 3.0, "fp8_share": 0.875}]),
    "spectra": Table(spectra.COLUMNS, [{"step": 2, "path": "w", "index": 0, "value": 1.0, "scaled": 2.0}]),
    "casts": Table(casts.COLUMNS, []),
}

TINY = (Column("step", "int"), Column("value", "float"))


def test_a_training_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = write_training(tmp_path / "new", FOUND, TABLES)
    assert sorted(each.name for each in path.parent.iterdir()) == sorted(
        ["train.json", *(f"{name}.{end}" for name in TABLES for end in ("csv", "parquet"))]
    )
    found, tables = read_training(path)
    assert tables == {name: list(table.rows) for name, table in TABLES.items()}
    assert {key: found[key] for key in FOUND} == FOUND
    assert (found["kind"], found["schema_version"]) == ("train", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"processes": 0},
        {"results": FOUND["results"] | {"validation_accuracy": 1.5}},
        {"results": {"loss": 1.0}},
        {"guarantee": {"holds": "yes", "why": "", "norms": {}}},
        {"guarantee": FOUND["guarantee"] | {"norms": {"w": {"norm": 1.0, "w_max": 0.0}}}},
        {"bounds": [FOUND["bounds"][0] | {"upper": 2.5}]},
        {"bounds": [FOUND["bounds"][0] | {"claim": CLAIM | {"norm": "l3"}}]},
        {"data": FOUND["data"] | {"sha256": "short"}},
        {"more": 1},
    ],
)
def test_another_shape_is_not_written(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not the shape of a train"):
        write_training(tmp_path, FOUND | change, TABLES)
    assert not list(tmp_path.iterdir())


def test_every_table_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'casts' is a required property"):
        write_training(tmp_path, FOUND, {name: table for name, table in TABLES.items() if name != "casts"})
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_there_is_kept(tmp_path: Path) -> None:
    path = write_training(tmp_path, FOUND, TABLES)
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(OutputError, match=r"train\.json exists"):
        write_training(tmp_path, FOUND | {"seed": 1}, TABLES)
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before
    write_training(tmp_path, FOUND | {"seed": 1}, TABLES, overwrite=True)
    assert read_training(path)[0]["seed"] == 1


def test_a_table_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = write_training(tmp_path, FOUND, TABLES)
    (tmp_path / "spectra.csv").write_text("step,path,index,value,scaled\n2,w,0,1.0,1.0\n")
    with pytest.raises(InputError, match="SHA-256"):
        read_training(path)


def test_a_training_run_is_no_attack(tmp_path: Path) -> None:
    path = write_training(tmp_path, FOUND, TABLES)
    with pytest.raises(InputError, match="its kind is 'train'"):
        read_json(path, "attack")


def test_a_log_is_the_table_that_replaces_it(tmp_path: Path) -> None:
    rows = [{"step": step, "value": step / 3} for step in (1, 2, 3)]
    grown = Log(tmp_path, "tiny", TINY, resume_at=None)
    for row in rows:
        grown.add([row])
    grown.sync()
    grown.close()
    before = (tmp_path / "tiny.csv").read_bytes()
    write_table(tmp_path, "tiny", TINY, rows, overwrite=True)
    assert (tmp_path / "tiny.csv").read_bytes() == before


@given(steps=st.integers(1, 6), saved=st.integers(-1, 6), cut=st.integers(0, 200))
def test_killed_at_any_byte_and_resumed_equals_uninterrupted(
    tmp_path_factory: pytest.TempPathFactory, steps: int, saved: int, cut: int
) -> None:
    folder, saved = tmp_path_factory.mktemp("log"), min(saved, steps)
    rows = [{"step": step, "value": sign * step / 7} for step in range(1, 7) for sign in (1, -1)]
    on_disk = to_csv(TINY, [row for row in rows if row["step"] <= saved])  # before the state of that step
    _grow(folder, [row for row in rows if row["step"] <= steps], resume_at=None)
    path = folder / "tiny.csv"
    content = path.read_bytes()
    path.write_bytes(content[: max(len(on_disk), len(content) - cut)])
    assert read_log(folder, "tiny", TINY) == rows[: len(read_log(folder, "tiny", TINY))]
    _grow(folder, [row for row in rows if row["step"] > saved], resume_at=saved)
    assert read_log(folder, "tiny", TINY) == rows


def test_a_new_log_replaces_none_and_minus_one_drops_all(tmp_path: Path) -> None:
    (tmp_path / "tiny.csv").write_text("precious")
    with pytest.raises(OutputError, match=r"tiny\.csv exists"):
        Log(tmp_path, "tiny", TINY, resume_at=None)
    with pytest.raises(InputError, match="lacks the columns"):
        Log(tmp_path, "tiny", TINY, resume_at=3)
    assert (tmp_path / "tiny.csv").read_text() == "precious"
    Log(tmp_path, "tiny", TINY, resume_at=-1).close()
    assert read_log(tmp_path, "tiny", TINY) == []


def test_a_missing_log_is_refused_and_a_broken_one_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_log(tmp_path, "tiny", TINY)
    (tmp_path / "tiny.csv").write_text("step,value\n1,0.5\n2,many\n")
    with pytest.raises(InputError, match=r"tiny\.csv:3: value is 'many'"):
        read_log(tmp_path, "tiny", TINY)
    (tmp_path / "tiny.csv").write_bytes(b"step,value\n\xff\n")
    with pytest.raises(InputError, match="no UTF-8"):
        read_log(tmp_path, "tiny", TINY)


@pytest.mark.parametrize("row", [{"step": 1}, {"step": 1, "value": float("nan")}, {"step": 1.0, "value": 1.0}])
def test_a_row_that_is_none_is_not_added(tmp_path: Path, row: dict[str, Any]) -> None:
    grown = Log(tmp_path, "tiny", TINY, resume_at=None)
    with pytest.raises(ValueError, match=r"step|value"):
        grown.add([row])
    grown.close()
    assert read_log(tmp_path, "tiny", TINY) == []


def test_a_full_disk_is_refused_and_the_rows_before_stay(tmp_path: Path) -> None:
    grown = Log(tmp_path, "tiny", TINY, resume_at=None)
    grown.add([{"step": 1, "value": 0.5}])
    before = (tmp_path / "tiny.csv").read_bytes()
    with _room(len(before) + 5), pytest.raises(OutputError, match=r"tiny\.csv cannot be written") as refusal:
        grown.add([{"step": 2, "value": 0.25}])
    assert "--resume" in refusal.value.hint
    assert (tmp_path / "tiny.csv").read_bytes() == before
    grown.add([{"step": 2, "value": 0.25}])
    grown.close()
    assert [row["step"] for row in read_log(tmp_path, "tiny", TINY)] == [1, 2]


def test_a_disk_that_does_not_sync_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown = Log(tmp_path, "tiny", TINY, resume_at=None)

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="Input/output error"):
        grown.sync()
    grown.close()


def _grow(folder: Path, rows: list[dict[str, Any]], resume_at: int | None) -> None:
    grown = Log(folder, "tiny", TINY, resume_at=resume_at)
    for row in rows:
        grown.add([row])
    grown.close()


@contextmanager
def _room(size: int) -> Iterator[None]:
    """Within this, no file grows beyond `size` bytes, as on a full disk: a write first falls short, then fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
