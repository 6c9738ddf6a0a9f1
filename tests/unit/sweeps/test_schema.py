"""[sweep.NAME] in lipcert.toml: what it stands for, and that every mistake in it is named before anything runs."""

from pathlib import Path

import pytest

from lipcert.errors import InputError, UsageError
from lipcert.sweeps.result import columns
from lipcert.workspace.load import load
from lipcert.workspace.recipe_keys import keys
from lipcert.workspace.sweep import Range, sweep
from tests.unit.sweeps.fake import GRID, RECIPE, SEARCH, workspace

ROOT = Path(__file__).parents[3]


def problems(root: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as refusal:
        load(workspace(root, RECIPE + text))
    return [line.partition("toml: ")[2] for line in refusal.value.message.splitlines()[1:]]


def test_a_grid_is_the_product_of_each_table_after_the_other(tmp_path: Path) -> None:
    text = "[sweep.a]\nrecipe='small'\ngrid = [{w_max=[1, 1.5], heads=[1, 4]}, {optimizer=['adamw'], lr=[0.01]}]"
    assert sweep(load(workspace(tmp_path, RECIPE + text)), "a").points() == [
        {"w_max": 1, "heads": 1},
        {"w_max": 1, "heads": 4},
        {"w_max": 1.5, "heads": 1},
        {"w_max": 1.5, "heads": 4},
        {"optimizer": "adamw", "lr": 0.01},
    ]


def test_grids_may_stand_as_tables_of_their_own(tmp_path: Path) -> None:
    text = "[sweep.a]\nrecipe='flat'\n[[sweep.a.grid]]\nwidths=[[64, 10], [64, 32, 10]]\n[[sweep.a.grid]]\nlr=[0.1]"
    assert [list(point) for point in sweep(load(workspace(tmp_path, RECIPE + text)), "a").points()] == [
        ["widths"],
        ["widths"],
        ["lr"],
    ]


def test_a_search_has_ranges_and_choices(tmp_path: Path) -> None:
    found = sweep(load(workspace(tmp_path)), "scales")
    assert found.search is not None
    assert found.search["w_max"] == Range(low=0.5, high=2.0, log=True)
    assert found.search["heads"] == [1, 2, 4]
    assert (found.trials, found.together, found.seed) == (11, 3, 0)


def test_every_mistake_is_named_with_its_key(tmp_path: Path) -> None:
    text = """
        [sweep.unknown]
        recipe = "smal"
        grid = [{ w_max = [1] }]
        trails = 3
        """
    assert problems(tmp_path, text) == [
        "sweep.unknown.trails: is no known key; did you mean 'trials'?",
    ]
    text = """
        [sweep.unknown]
        recipe = "smal"
        grid = [{ w_max = [1] }]
        [sweep.grid]
        recipe = "small"
        grid = [{ wmax = [1, 2], stages = [[1]] }, { w_max = [0.0, 2.0], heads = [2, 3] }, { out = ["there"] }]
        [sweep.search]
        recipe = "small"
        [sweep.search.search]
        logit_scal = [1, 2]
        heads = { low = 1.5, high = 2 }
        optimizer = { low = 1, high = 2 }
        constraint = ["soft_cap", "softcap"]
        """
    assert problems(tmp_path, text) == [
        "sweep.unknown.recipe: there is no [train.smal]; did you mean 'small'?",
        "sweep.grid.grid.0.wmax: is no known key; did you mean 'w_max'?",
        'sweep.grid.grid.0.stages: belongs to model = "cnn"',
        "sweep.grid.grid.1.w_max: Input should be greater than 0 (seen: 0.0)",
        "sweep.grid.grid.1: width 8 is no multiple of heads 3 (with w_max = 0.0, heads = 3)",
        "sweep.grid.grid.2.out: every trial has a folder of its own, which is gone when it ends",
        "sweep.search.search.heads: is a whole number: so have low and high to be",
        "sweep.search.search.optimizer: is text, and no number: write a list of choices",
        "sweep.search.search.logit_scal: is no known key; did you mean 'logit_scale'?",
        "sweep.search.search.constraint: Input should be 'none', 'weight_decay', 'spectral_weight_decay', "
        "'spectral_normalisation', 'soft_cap', 'hard_cap', 'spectral_hammer', 'stiefel' or 'svd_cap'; "
        "did you mean 'soft_cap'? (seen: 'softcap')",
    ]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("grid = []", "grid: List should have at least 1 item"),
        ("grid = [{ w_max = 2 }]", "grid.0.w_max: write a list of values, such as [1, 1.5, 2] (seen: 2)"),
        ("grid = [{ w_max = [] }]", "grid.0.w_max: write a list of values"),
        ("grid = [{ w_max = [1] }]\ntrials = 3", "trials: belongs to a search; a grid says itself what is tried"),
        ("grid = [{ w_max = [1] }]\n[sweep.a.search]\nlr = [1]", "search: stands beside a grid"),
        ("grid = [{ w_max = [1, 1.0] }]", "grid.0: w_max = 1.0 is what grid.0 tries already"),
        ("grid = [{ lr = [0.1, 1] }, { w_max = [1] }]", "grid.1: w_max = 1 is what grid.0 tries already"),
        (f"grid = [{{ seed = {list(range(101))}, lr = {[1.0 + i for i in range(100)]} }}]", "grid.0: these are more"),
        ("[sweep.a.search]\nw_max = { low = 2, high = 1 }", "search.w_max: low = 2 is not below high = 1"),
        ("[sweep.a.search]\nlr = { low = 0, high = 1, log = true }", "search.lr: low = 0: with log = true it has"),
        ("[sweep.a.search]\nw_max = { low = 1 }", "search.w_max.high: is missing"),
        ("[sweep.a.search]\nw_max = { low = 1, high = 2, step = 1 }", "search.w_max.step: Extra inputs are not"),
        ("[sweep.a.search]\nw_max = { low = 1, high = inf }", "search.w_max.high: Input should be a finite number"),
        ("[sweep.a.search]\nw_max = 3", "search.w_max: write a list of values"),
        ("[sweep.a.search]\nw_max = { low = -1, high = 2 }", "search.w_max: Input should be greater than 0"),
        ("trials = 0", "trials: Input should be greater than 0"),
        ("together = 1.5", "together: Input should be a valid integer"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(tmp_path: Path, keys: str, said: str) -> None:
    (found, *_) = problems(tmp_path, f"[sweep.a]\nrecipe = 'small'\n{keys}")
    assert found.startswith(f"sweep.a.{said}")


def test_a_name_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no \[sweep\.cap\] in lipcert\.toml") as refusal:
        sweep(load(workspace(tmp_path)), "cap")
    assert refusal.value.hint == "Did you mean 'caps'?"


def test_the_table_of_a_sweep_has_no_column_twice(tmp_path: Path) -> None:
    assert not {column.name for column in columns([])} & {key.name for key in keys()}


def test_the_sweeps_of_this_repository_are_valid() -> None:
    found = load(ROOT).settings.sweep
    assert {name: len(each.points()) for name, each in found.items()} == {
        "caps": 12,
        "frontier": 50,
        "scales": 22,
        "target": 0,
    }


def test_the_smallest_sweeps_are_read(tmp_path: Path) -> None:
    assert set(load(workspace(tmp_path, GRID + SEARCH)).settings.sweep) == {"caps", "scales", "target"}
