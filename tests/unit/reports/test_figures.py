"""Figures of stored tables: what is drawn, how it is labelled, and the files that are written."""

import math
from pathlib import Path
from typing import Any, get_args

import pytest

from lipcert.errors import OutputError
from lipcert.reports.figures import runs
from lipcert.reports.figures.front import FILLS, SHAPES, frontier, pareto
from lipcert.reports.figures.robustness import accuracy
from lipcert.reports.figures.style import power, save
from lipcert.workspace.recipe import Recipe

Rows = list[dict[str, Any]]


def metrics(*values: tuple[int, float, float | None]) -> Rows:
    """step, loss, and what else is measured or not."""
    return [
        {"step": s, "loss": loss, "validation_loss": m, "validation_accuracy": m, "log10_bound": m}
        for s, loss, m in values
    ]


def activation(path: str, largest: float, share: float = 0.5, step: int = 1) -> dict[str, Any]:
    return {"step": step, "path": path, "largest": largest, "fp8_share": share}


def test_curves_leave_out_what_was_not_measured() -> None:
    figure = runs.curves({"a": metrics((1, 3.0, None), (2, 2.0, 264.5)), "b": metrics((1, 3.0, None))})
    loss, validation, bound = figure.axes
    assert [list(line.get_ydata()) for line in loss.lines] == [[3.0, 2.0], [264.5], [3.0], []]
    assert [list(line.get_ydata()) for line in bound.lines] == [[264.5], []]
    assert [line.get_linestyle() for line in validation.lines] == ["-", "--"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


@pytest.mark.parametrize(
    ("log10", "text"), [(264.0, "$10^{264}$"), (0.25, "1.78"), (-2.0, "$10^{-2}$"), (400.5, "$10^{400.5}$")]
)
def test_ticks_are_powers_of_ten(log10: float, text: str) -> None:
    assert power(log10) == text


def test_what_was_never_measured_has_no_panel() -> None:
    (loss,) = runs.curves({"a": metrics((1, 3.0, None))}).axes
    assert loss.get_title().startswith("validation loss")


def test_activations_are_of_the_last_step_and_layers_stand_in_the_order_of_the_networks() -> None:
    bare = [activation("a", 9.0, step=1), *(activation(p, 2.0, step=2) for p in ("a", "b", ""))]
    normed = [activation(path, 5.0, step=2) for path in ("a", "norm", "b", "")]
    figure = runs.activations({"bare": bare, "normed": normed})
    largest, share = figure.axes
    assert [tick.get_text() for tick in largest.get_yticklabels()] == ["a", "norm", "b", "network"]
    assert sorted(bar.get_width() for bar in largest.patches) == [2.0] * 3 + [5.0] * 4
    assert {bar.get_width() for bar in share.patches} == {0.5}


def test_many_layers_are_a_bar_a_block_at_its_worst() -> None:
    rows = [activation(f"blocks.{block}.layer.{i}", 1.0 + i, 1 - i / 100) for block in range(5) for i in range(12)]
    largest, share = runs.activations({"deep": [activation("embedding", 1.0), *rows]}).axes
    assert [tick.get_text() for tick in largest.get_yticklabels()] == ["embedding", *(f"blocks.{b}" for b in range(5))]
    assert [bar.get_width() for bar in largest.patches] == [1.0] + [12.0] * 5
    assert [bar.get_width() for bar in share.patches] == [0.5] + [0.89] * 5


def test_layers_that_are_zero_or_infinite_have_no_bar_and_the_axis_has_whole_decades() -> None:
    rows = [activation("a", 3.0), activation("output", 0.0), activation("broken", math.inf)]
    largest, _ = runs.activations({"fresh": rows}).axes
    assert len(largest.patches) == 1
    assert largest.get_xlim() == (1.0, 10.0)
    assert len(runs.activations({"new": [activation("a", 0.0)]}).axes[0].patches) == 0


def test_spectra_are_those_of_the_chosen_weights_and_steps() -> None:
    rows = [
        {"step": step, "path": path, "index": i, "value": 1.0, "scaled": 2.0 - i}
        for step in (0, 10, 20) for path in ("a.weight", "b.weight", "c.weight") for i in range(2)
    ]  # fmt: skip
    figure = runs.spectra(rows, caps={"a.weight": 2.5})
    assert [axis.get_title() for axis in figure.axes] == ["a", "b", "c"]
    assert [len(axis.lines) for axis in figure.axes] == [4, 3, 3]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["step 0", "step 10", "step 20", "cap"]
    (axis,) = runs.spectra(rows, paths=["b.weight"], steps=[20]).axes
    assert list(axis.lines[0].get_ydata()) == [2.0, 1.0]


def test_casts_stand_beside_each_other() -> None:
    rows = [{"precision": p, "loss": 1.0, "accuracy": a} for p, a in (("float32", 0.5), ("float8_e4m3fn", 0.25))]
    (axis,) = runs.casts({"a": rows, "b": rows[:1]}).axes
    assert [bar.get_height() for bar in axis.patches] == [0.5, 0.5, 0.25, 0.0]
    assert [text.get_text() for text in axis.texts] == ["50.0", "50.0", "25.0", "0.0"]


def test_accuracy_begins_where_nothing_is_perturbed() -> None:
    at = {"eps": "8/255", "clean": 0.9, "attacked": 0.5, "certified": 0.25, "by_attack": {}}
    both = {"norm": "linf", "accuracy": [at]}
    only = {"norm": "linf", "accuracy": [{**at, "eps": "0", "clean": 0.75, "attacked": 0.75, "certified": None}]}
    (axis,) = accuracy({"small": both, "plain": only}).axes
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axis.lines}
    assert drawn == {
        "small, attacked": ([0.0, 8 / 255], [0.9, 0.5]),
        "small, certified": ([0.0, 8 / 255], [0.9, 0.25]),
        "plain, attacked": ([0.0], [0.75]),
    }
    with pytest.raises(ValueError, match="l2, linf"):
        accuracy({"small": both, "other": {**only, "norm": "l2"}})


def run(loss: float, bound: float | None, constraint: str = "soft_cap", optimizer: str = "muon") -> dict[str, Any]:
    return {
        "optimizer": optimizer, "constraint": constraint, "w_max": 2.0, "guaranteed": optimizer == "muon",
        "validation_loss": loss, "log10_bound": bound,
    }  # fmt: skip


def test_the_front_is_of_those_that_none_beats() -> None:
    best = [run(3.0, 1.0), run(2.0, 4.0), run(1.5, 264.0)]
    beaten = [run(3.0, 2.0), run(2.5, 4.0), run(1.0, None), run(3.5, 1.0), run(1.5, 300.0)]
    assert pareto([*beaten, *best]) == best
    assert pareto([run(1.0, None)]) == []


def test_the_frontier_tells_constraint_optimiser_and_guarantee_apart_without_colour() -> None:
    points = [run(2.0, float(i), name, optimizer) for i, name in enumerate(SHAPES) for optimizer in FILLS]
    figure = frontier([*points, run(1.25, None, "none", "adamw")])
    (axis,) = figure.axes
    looks = {(line.get_marker(), line.get_fillstyle()) for line in axis.lines if line.get_marker() != "None"}
    assert looks == {(shape, style) for shape in SHAPES.values() for style in FILLS.values()}
    assert len(set(SHAPES.values())) == len(SHAPES)
    rings = [line for line in axis.lines if line.get_markersize() == 13]
    assert len(rings) == len(SHAPES)  # of those by muon
    assert "adamw none 2 (1.25)" in axis.texts[-1].get_text()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        *(name.replace("_", " ") for name in SHAPES), "muon", "adamw", "cap guaranteed", "none better in both",
    ]  # fmt: skip


def test_a_bound_that_is_wanted_has_a_line_and_points_may_have_names() -> None:
    points = [run(2.0, 1.0) | {"label": "#3"}, run(3.0, 2.0) | {"label": ""}]
    figure = frontier(points, wanted=(0.5, "bound wanted: 3.16"), notes=["#3: w_max 1", "#4: " + "w_max 2 " * 20])
    (axis,) = figure.axes
    names = [text.get_text() for text in axis.texts]
    assert names[:2] == ["#3", ""]
    assert names[2].splitlines()[0] == "#3: w_max 1"
    assert len(names[2].splitlines()) == 3
    assert [0.5, 0.5] in [list(line.get_xdata()) for line in axis.lines]
    assert figure.legends[0].get_texts()[-1].get_text() == "bound wanted: 3.16"


def test_every_constraint_and_optimiser_of_a_recipe_has_its_look() -> None:
    fields = Recipe.model_fields
    assert set(SHAPES) == set(get_args(fields["constraint"].annotation))
    assert set(FILLS) == set(get_args(fields["optimizer"].annotation))


def test_a_decay_that_nobody_capped_is_named_by_its_strength() -> None:
    unbounded = run(1.5, None, "weight_decay", "adamw") | {"w_max": None, "weight_decay": 0.1}
    assert "adamw weight decay λ0.1 (1.5)" in frontier([unbounded]).axes[0].texts[-1].get_text()


def test_a_figure_is_written_twice_with_the_same_bytes_and_not_over_another(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        save(frontier([run(2.0, 1.0), run(1.5, math.pi)]), tmp_path / folder / "frontier-1.0")
    names = ["frontier-1.0.png", "frontier-1.0.svg"]
    assert sorted(each.name for each in (tmp_path / "one").iterdir()) == names
    assert all((tmp_path / "one" / n).read_bytes() == (tmp_path / "two" / n).read_bytes() for n in names)
    with pytest.raises(OutputError, match="exists"):
        save(frontier([run(2.0, 1.0)]), tmp_path / "one" / "frontier-1.0")
    save(frontier([run(2.0, 1.0)]), tmp_path / "one" / "frontier-1.0", overwrite=True)
