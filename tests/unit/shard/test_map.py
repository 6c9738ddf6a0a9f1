"""One function over many items: the same results here and in processes, and nothing finished is lost."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipcert.errors import InputError, ResourceError, UsageError
from lipcert.shard.map import map_items
from lipcert.store.parts import Resumable
from tests.unit.shard import functions

ITEMS = list(range(7))
EXPECTED = [(item, functions.square(item)) for item in ITEMS]


@given(st.lists(st.integers(-9, 9), max_size=12), st.integers(1, 5), st.sets(st.integers(0, 11)))
def test_chunks_and_earlier_results_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, items: list[int], chunk: int, earlier: set[int]
) -> None:
    expected = [(index, functions.square(item)) for index, item in enumerate(items)]
    assert list(map_items(functions.square, items, chunk=chunk)) == expected
    with Resumable(tmp_path_factory.mktemp("kept"), {}) as kept:
        kept.add({index: functions.square(items[index]) for index in earlier if index < len(items)})
        assert list(map_items(functions.square, items, chunk=chunk, kept=kept)) == expected


@pytest.mark.parametrize("chunk", [1, 3])
def test_processes_compute_the_same_in_the_same_order(chunk: int) -> None:
    seen: list[tuple[int, int]] = []
    found = map_items(functions.square, ITEMS, workers=2, chunk=chunk, progress=lambda *now: seen.append(now))
    assert list(found) == EXPECTED
    assert seen[0] == (0, 7)
    assert seen[-1] == (7, 7)
    assert seen == sorted(seen)


def test_workers_have_one_thread_and_leave_interrupts_to_their_parent() -> None:
    for _, (process, threads, interrupts) in map_items(functions.surroundings, ITEMS, workers=2):
        assert process != os.getpid()
        assert (threads, interrupts) == ("1", True)


def test_arguments_travel_with_the_function() -> None:
    found = map_items(partial(functions.weighted, [0.5, 0.25]), ITEMS, workers=2, chunk=2)
    assert [value for _, value in found] == [0.75 * item for item in ITEMS]


def test_finished_items_are_not_computed_again(tmp_path: Path) -> None:
    with Resumable(tmp_path, {}) as kept:
        kept.add({index: "kept" for index in range(7) if index != 5})
        found = dict(map_items(functions.square, ITEMS, kept=kept))
        assert found.pop(5) == functions.square(5)
        assert set(found.values()) == {"kept"}
        assert dict(map_items(functions.killed, ITEMS, kept=kept)) == found | {5: functions.square(5)}


def test_results_are_the_same_whether_kept_before_or_now(tmp_path: Path) -> None:
    with Resumable(tmp_path, {}) as kept:
        first = list(map_items(divmod_pair, [7], kept=kept))
        assert first == list(map_items(divmod_pair, [7], kept=kept)) == [(0, [3, 1])]  # JSON has no tuples


def divmod_pair(item: int) -> tuple[int, int]:
    return divmod(item, 2)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_refusal_carries_the_number_of_its_item(tmp_path: Path, workers: int) -> None:
    with Resumable(tmp_path, {}) as kept, pytest.raises(InputError, match=r"^item 4: 4 is even") as refusal:
        list(map_items(functions.odd_alone, [1, 3, 5, 7, 4], workers=workers, chunk=2, kept=kept))
    assert refusal.value.hint == "Give odd numbers."
    assert {0, 1, 2, 3} >= set(kept.results)
    with pytest.raises(RuntimeError, match="item 1: ZeroDivisionError: 6 divides nothing"):
        list(map_items(functions.odd_alone, [1, 6], workers=workers))


def test_a_worker_that_is_killed_is_a_refusal() -> None:
    with pytest.raises(ResourceError, match="a worker process was killed"):
        list(map_items(functions.killed, ITEMS, workers=2))


@pytest.mark.parametrize("wrong", [{"workers": -1}, {"chunk": 0}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="workers with"):
        list(map_items(functions.square, ITEMS, **wrong))


def test_who_stops_to_iterate_ends_the_workers(tmp_path: Path) -> None:
    found = map_items(partial(functions.slow_after, tmp_path), ITEMS, workers=2)
    assert [next(found), next(found)] == [(0, 0), (1, 1)]
    started = time.monotonic()
    found.close()
    assert time.monotonic() - started < 60
    assert not any(alive(int(path.name)) for path in tmp_path.iterdir())


PROGRAM = """
import sys
from functools import partial
from pathlib import Path
from lipcert.shard.map import map_items
from lipcert.store.parts import Resumable
from tests.unit.shard import functions

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with Resumable(folder / "kept", {}) as kept:
        for index, _ in map_items(partial(functions.slow_after, folder), range(7), workers=2, kept=kept):
            print(index, flush=True)
"""


def run_until_two_are_done(folder: Path) -> "subprocess.Popen[str]":
    (folder / "program.py").write_text(PROGRAM)
    running = subprocess.Popen(
        [sys.executable, str(folder / "program.py"), str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert running.stdout is not None
    assert [running.stdout.readline(), running.stdout.readline()] == ["0\n", "1\n"]
    return running


def workers(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]


def test_ctrl_c_ends_the_workers_and_keeps_what_is_finished(tmp_path: Path) -> None:
    with run_until_two_are_done(tmp_path) as running:
        os.killpg(running.pid, 2)  # as a terminal does: every process of the group
        assert running.wait(60) != 0
    with Resumable(tmp_path / "kept", {}) as kept:
        assert kept.results == {0: 0, 1: 1}
    assert not any(map(alive, workers(tmp_path)))


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    with run_until_two_are_done(tmp_path) as running:
        until = time.monotonic() + 60
        while not workers(tmp_path) and time.monotonic() < until:
            time.sleep(0.05)
        assert workers(tmp_path)
        running.kill()
        running.wait(60)
    while any(map(alive, workers(tmp_path))) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, workers(tmp_path)))


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
