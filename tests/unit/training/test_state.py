"""Where a run stands comes back as it was, and nothing else is taken for it."""

from pathlib import Path

import pytest
import torch

from lipcert.errors import InputError
from lipcert.training.state import STATE, State, read_state, require_same, write_state


def a_state() -> State:
    return State(
        recipe={"lr": 0.1, "out": "there"}, data={"sha256": "a"}, step=7, seconds=1.5, losses=[2.0, 1.0],
        model={"w": torch.ones(2)}, optimizer={"state": {0: {"momentum": torch.zeros(2)}}, "param_groups": []},
        schedule={"last_epoch": 7},
    )  # fmt: skip


def test_a_state_comes_back(tmp_path: Path) -> None:
    write_state(tmp_path, a_state())
    found = read_state(tmp_path)
    assert (found.step, found.seconds, found.losses, found.recipe) == (7, 1.5, [2.0, 1.0], a_state().recipe)
    assert torch.equal(found.model["w"], torch.ones(2))


def test_what_is_no_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_state(tmp_path)
    (tmp_path / STATE).write_bytes(b"no state")
    with pytest.raises(InputError, match="no state"):
        read_state(tmp_path)
    for odd in ({"version": 1}, {"version": 1, "recipe": "{", "data": "{}"}):
        torch.save(odd, tmp_path / STATE)
        with pytest.raises(InputError, match="no state"):
            read_state(tmp_path)
    torch.save({"version": 99}, tmp_path / STATE)
    with pytest.raises(InputError, match="this lipcert"):
        read_state(tmp_path)


def test_a_truncated_state_is_refused(tmp_path: Path) -> None:
    write_state(tmp_path, a_state())
    content = (tmp_path / STATE).read_bytes()
    (tmp_path / STATE).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="no state"):
        read_state(tmp_path)


def test_a_changed_recipe_is_named_field_by_field() -> None:
    with pytest.raises(InputError, match=r"lr: 0\.1 there, 0\.2 now"):
        require_same(a_state(), {"lr": 0.2, "out": "there"}, {"sha256": "a"}, Path("run"))
    with pytest.raises(InputError, match="sha256"):
        require_same(a_state(), a_state().recipe, {"sha256": "b"}, Path("run"))


def test_the_folder_and_the_device_may_change() -> None:
    require_same(a_state(), {"lr": 0.1, "out": "elsewhere", "device": "cpu"}, {"sha256": "a"}, Path("run"))
