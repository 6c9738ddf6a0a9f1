"""A sweep from its table to its folder: the same however it was cut up, and nothing of it taken for something else."""

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lipcert.errors import InputError, OutputError, UsageError
from lipcert.reports import figures
from lipcert.shard.map import map_items
from lipcert.store.atomic import write_text
from lipcert.store.lock import locked
from lipcert.store.schema import shape_problems
from lipcert.store.table import read_table
from lipcert.sweeps import api
from lipcert.sweeps.keep import read_sweep
from lipcert.sweeps.result import Swept
from lipcert.sweeps.words import as_recipe
from lipcert.workspace.recipe import Recipe
from tests.unit.sweeps import fake
from tests.unit.sweeps.fake import GRID, RECIPE, SEARCH, workspace


def unpainted(_: object, path: Path, *, overwrite: bool = False) -> None:
    for ending in (".svg", ".png"):
        write_text(path.with_suffix(ending), "", overwrite=overwrite)


@pytest.fixture
def painted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which trials take no time, and are made in this process."""
    monkeypatch.chdir(workspace(tmp_path))
    monkeypatch.setattr(api, "trial", fake.trial)
    monkeypatch.setattr(api, "map_items", lambda *a, workers, **k: map_items(*a, **k))
    return tmp_path


@pytest.fixture
def root(painted: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same without figures, which take a second each."""
    monkeypatch.setattr(figures, "save", unpainted)
    return painted


def swept(name: str, **how: Any) -> Swept:
    return api.sweep(name, **how)


def interrupted(name: str, after: int, **how: Any) -> None:
    steps: Iterator[None] = fake.flaky(after)
    with pytest.raises(KeyboardInterrupt):
        swept(name, progress=lambda *_: next(steps), **how)


def test_a_grid_ends_in_a_folder_with_table_figure_and_page(painted: Path) -> None:
    found = swept("caps", command="lipcert sweep caps")
    folder = painted / "reports" / "sweep-caps"
    assert {path.name for path in folder.iterdir()} >= {
        "sweep.json", "sweep.csv", "sweep.parquet", "frontier.svg", "frontier.png", "README.md", "parts",
    }  # fmt: skip
    assert not list(shape_problems(json.loads((folder / "sweep.json").read_text()), "sweep"))
    assert [each["change"] for each in found.trials] == [
        {"w_max": cap, "logit_scale": scale} for cap in (0.5, 1, 2) for scale in (1.0, 8.0)
    ]
    assert [each["trial"] for each in found.pareto] == [1, 2, 3, 4]


def test_the_table_holds_what_was_varied_and_every_number(root: Path) -> None:
    found = swept("caps")
    rows = read_table(found.folder, found.document["table"])
    assert [row["w_max"] for row in rows] == [0.5, 0.5, 1.0, 1.0, 2.0, 2.0]
    assert [row["status"] for row in rows] == ["proved"] * 4 + ["diverged"] * 2
    assert rows[0]["upper"] == found.trials[0]["upper"]
    assert rows[0]["pareto"] is True
    assert rows[5]["validation_loss"] is None
    assert rows[5]["why"] == "step 3: the loss is no number"
    assert rows[3]["command"] == "lipcert train small --w-max 1 --logit-scale 8.0 --seconds 0"


def test_trials_without_a_number_are_named_and_no_point_of_the_frontier(root: Path) -> None:
    found = swept("caps")
    page = (found.folder / "README.md").read_text()
    assert "- trial 5: diverged: step 3: the loss is no number" in page
    assert {each["trial"] for each in found.pareto}.isdisjoint({5, 6})
    assert found.trials[4]["upper"] is None


@pytest.mark.parametrize("how", [{"name": "caps"}, {"name": "scales"}, {"name": "target", "target_bound": 2}])
@pytest.mark.parametrize("after", [1, 5])
def test_a_sweep_that_was_stopped_ends_as_one_that_nobody_touched(root: Path, how: Any, after: int) -> None:
    whole = swept(**how, out=root / "whole")
    interrupted(**how, after=after, out=root / "cut")
    assert not (root / "cut" / "sweep.json").exists()
    assert swept(**how, out=root / "cut").document == whole.document


def test_trials_that_are_kept_are_not_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted("scales", 6)
    kept = sum(len(json.loads(path.read_text())) for path in Path("reports/sweep-scales/parts").glob("part-*"))
    tried: list[Any] = []

    def counted(base: Any, change: Any) -> Any:
        tried.append(change)
        return fake.trial(base, change)

    monkeypatch.setattr(api, "trial", counted)
    found = swept("scales")
    assert kept > 0
    assert len(tried) == len(found.trials) - kept


def test_more_trials_go_on_from_the_fewer(root: Path) -> None:
    fewer = swept("scales", trials=7)
    with pytest.raises(OutputError, match="another sweep: trials is 7 there, 11 now"):
        swept("scales")
    more = swept("scales", force=True)
    assert more.trials[:7] == fewer.trials
    assert len(more.trials) == 11


def test_a_sweep_that_has_ended_is_read_and_not_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = swept("caps", command="the first")
    monkeypatch.setattr(api, "trial", None)
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert swept("caps", command="the second").document == first.document


def test_another_sweep_in_the_folder_is_kept(root: Path) -> None:
    out = root / "out"
    before = swept("caps", out=out).document
    with pytest.raises(OutputError, match="holds another sweep: kind is grid there, study now") as refusal:
        swept("scales", out=out)
    assert "--force" in refusal.value.hint
    workspace(root, (GRID + SEARCH).replace("steps = 6", "steps = 7"))
    with pytest.raises(OutputError, match=r"holds another sweep: of \[train.small\], as it was then"):
        swept("caps", out=out)
    assert read_sweep(out).document == before


def test_parts_of_another_sweep_are_kept(root: Path) -> None:
    interrupted("caps", 2, out=root / "out")
    with pytest.raises(OutputError, match="holds the results of another run"):
        swept("scales", out=root / "out")


def test_a_folder_in_which_another_sweep_goes_on_is_left_alone(root: Path) -> None:
    with locked(root / "out"), pytest.raises(OutputError, match="another lipcert is writing"):
        swept("caps", out=root / "out")
    assert swept("caps", out="out").trials


def test_force_replaces_another_sweep(root: Path) -> None:
    swept("scales", out=root / "out")
    assert swept("caps", out=root / "out", force=True).document["name"] == "caps"
    assert read_sweep(root / "out").document["name"] == "caps"


def test_a_table_that_was_edited_is_refused(root: Path) -> None:
    path = swept("caps").folder / "sweep.csv"
    path.write_text(path.read_text().replace("proved", "Proved", 1))
    with pytest.raises(InputError, match="is not what was written"):
        swept("caps")
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        swept("caps")


def test_a_part_that_was_edited_is_refused(root: Path) -> None:
    interrupted("caps", 3)
    path = next(Path("reports/sweep-caps/parts").glob("part-*"))
    path.write_text(path.read_text().replace('"w_max": 0.5', '"w_max": 0.25'))
    with pytest.raises(OutputError, match=r"what is kept as trial 1 is \{'w_max': 0.25"):
        swept("caps")


def test_a_document_of_another_version_is_refused(root: Path) -> None:
    path = swept("caps").folder / "sweep.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(InputError, match="has schema_version 2"):
        swept("caps")


def test_files_of_somebody_else_are_not_replaced(root: Path) -> None:
    page = root / "reports" / "sweep-caps" / "README.md"
    page.parent.mkdir(parents=True)
    page.write_text("mine")
    with pytest.raises(OutputError, match=r"README\.md exists and is not replaced"):
        swept("caps")
    assert page.read_text() == "mine"


def test_data_that_change_during_a_sweep_are_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = iter("1112")

    def changing(base: Any, change: Any) -> Any:
        return fake.trial(base, change) | {"data_sha256": next(digests, "2") * 64}

    monkeypatch.setattr(api, "trial", changing)
    with pytest.raises(InputError, match="the data 'shakespeare' changed during the sweep: trial 4"):
        swept("caps")


def test_the_lowest_loss_under_the_target_is_the_answer(root: Path) -> None:
    found = swept("target", target_bound="2")
    assert found.target is not None
    assert found.target.reached
    assert found.target.trial is not None
    good = [each for each in found.trials if each["status"] == "proved" and float(each["upper"]) <= 2]
    assert found.target.trial["validation_loss"] == min(each["validation_loss"] for each in good)
    page = (found.folder / "README.md").read_text()
    assert f"[train.small-target-{found.target.trial['trial']}]" in page
    assert found.target.trial["command"] in page


def test_the_answer_to_a_target_can_be_pasted_as_a_recipe(root: Path) -> None:
    found = swept("target", target_bound="2")
    assert found.target is not None
    assert found.target.trial is not None
    (table,) = tomllib.loads(as_recipe(found, found.target.trial))["train"].values()
    assert Recipe.of(table) == Recipe.of(found.document["recipe"], found.target.trial["change"])


def test_a_target_that_is_not_reached_is_said_to_be_missed_and_by_how_much(root: Path) -> None:
    found = swept("target", target_bound="1e-9", trials=5)
    assert found.target is not None
    assert not found.target.reached
    assert found.target.trial is not None
    assert float(found.target.trial["upper"]) == min(float(each["upper"]) for each in found.trials if each["upper"])
    assert "Not reached" in (found.folder / "README.md").read_text()


def test_without_any_bound_nothing_is_nearest(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "trial", lambda base, change: fake.row(base, change, status="unbounded", why="no rule"))
    found = swept("target", target_bound=2, trials=3)
    assert found.target is not None
    assert (found.target.reached, found.target.trial) == (False, None)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"name": "caps", "target_bound": 2}, r"\[sweep.caps\] is a grid.*: target cannot be chosen"),
        ({"name": "caps", "trials": 3, "seed": 1}, "trials, seed cannot be chosen"),
        ({"name": "target"}, r"\[sweep.target\] has neither a grid nor a search"),
        ({"name": "target", "target_bound": "two"}, "'two' is no bound to reach"),
        ({"name": "target", "target_bound": 0}, "'0' is no bound to reach"),
        ({"name": "target", "target_bound": float("nan")}, "'nan' is no bound to reach"),
        ({"name": "caps", "workers": 0}, "0 workers"),
        ({"name": "cap"}, r"there is no \[sweep.cap\]"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(root: Path, how: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        swept(**how)
    assert not (root / "reports").exists()


def test_scales_are_not_chosen_for_a_network_without_them(root: Path) -> None:
    workspace(root, RECIPE + "[sweep.target]\nrecipe = 'flat'\n")
    with pytest.raises(UsageError, match=r"cannot be chosen for \[train.flat\]:\n.*logit_scale: belongs to model"):
        swept("target", target_bound=2)


def test_a_search_without_optuna_is_refused_before_anything_is_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match="needs the package optuna"):
        swept("scales")
    assert not (root / "reports").exists()
    assert swept("caps").trials  # a grid needs none
