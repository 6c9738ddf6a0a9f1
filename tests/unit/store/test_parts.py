"""Runs that go on: finished parts are kept, and never mixed with those of another run."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipcert.errors import OutputError
from lipcert.store.parts import Resumable

HEADER = {"settings": {"eps": "8/255", "seed": 0}, "model": "0" * 64, "data": "1" * 64}


def test_a_rerun_finds_what_was_finished(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Resumable(folder, HEADER) as kept:
        kept.add({3: {"radius": 0.1}, 4: [1, None]})
        kept.add({0: "x"})
    assert sorted(path.name for path in folder.glob("*.json")) == ["header.json", "part-00000.json", "part-00001.json"]
    with Resumable(folder, HEADER) as again:
        assert again.results == {3: {"radius": 0.1}, 4: [1, None], 0: "x"}
        again.add({1: True})
    assert (folder / "part-00002.json").exists()


def test_what_differs_in_the_header_is_named_and_nothing_is_mixed(tmp_path: Path) -> None:
    with Resumable(tmp_path, HEADER) as kept:
        kept.add({0: 1})
    other = {"settings": {"eps": "2/255", "seed": 0}, "model": "0" * 64, "limit": 5}
    with pytest.raises(OutputError, match="another run") as refusal, Resumable(tmp_path, other):
        pass
    lines = refusal.value.message.splitlines()[1:]
    assert lines == [
        '  run.settings.eps: "8/255" there, "2/255" now',
        f'  run.data: "{"1" * 64}" there, nothing now',
        "  run.limit: nothing there, 5 now",
    ]
    with Resumable(tmp_path, HEADER) as again:
        assert again.results == {0: 1}


def test_another_run_is_replaced_on_request_and_the_same_one_goes_on(tmp_path: Path) -> None:
    with Resumable(tmp_path, HEADER) as kept:
        kept.add({0: 1})
    with Resumable(tmp_path, HEADER, replace=True) as same:
        assert same.results == {0: 1}
    with Resumable(tmp_path, {"model": "other"}, replace=True) as other:
        assert other.results == {}
        other.add({2: 3})
    with Resumable(tmp_path, {"model": "other"}) as again:
        assert again.results == {2: 3}


def test_only_one_process_writes_at_a_time(tmp_path: Path) -> None:
    with Resumable(tmp_path, HEADER), pytest.raises(OutputError, match="another lipcert"), Resumable(tmp_path, HEADER):
        pass
    with Resumable(tmp_path, HEADER):  # let go of
        pass


@pytest.mark.parametrize("content", ["", "{", "[1]", "[[1.5, 2]]", '{"0": 1}', "[" * 100_000])
def test_a_damaged_part_is_named(tmp_path: Path, content: str) -> None:
    with Resumable(tmp_path, HEADER) as kept:
        kept.add({0: 1})
    (tmp_path / "part-00000.json").write_text(content)
    with pytest.raises(OutputError, match=r"part-00000\.json") as refusal, Resumable(tmp_path, HEADER):
        pass
    assert "Delete it" in refusal.value.hint
    (tmp_path / "part-00000.json").unlink()
    with Resumable(tmp_path, HEADER) as again:
        assert again.results == {}


def test_parts_without_a_header_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "part-00000.json").write_text("[]")
    with pytest.raises(OutputError, match=r"without a header\.json"), Resumable(tmp_path, HEADER):
        pass


@pytest.mark.parametrize("result", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_is_no_json_is_refused(tmp_path: Path, result: object) -> None:
    with Resumable(tmp_path, HEADER) as kept, pytest.raises(OutputError, match="cannot be kept"):
        kept.add({0: result})
    assert not list(tmp_path.glob("part-*"))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.integers(0, 100), values, max_size=6))
def test_results_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, results: dict[int, Any]) -> None:
    folder = tmp_path_factory.mktemp("parts")
    with Resumable(folder, HEADER) as kept:
        kept.add(results)
        assert repr(kept.results) == repr(results)
    with Resumable(folder, HEADER) as again:
        assert json.dumps(again.results) == json.dumps(results)
