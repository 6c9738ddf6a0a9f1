"""What a study asks for follows from its seed and what it is told; only a proved bound reaches a target."""

import math
import sys
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from lipcert.errors import UsageError
from lipcert.sweeps.study import Study, log10_of, reaches
from lipcert.sweeps.trial import Base, Trial
from lipcert.workspace.recipe import Recipe
from lipcert.workspace.sweep import Change, Range
from tests.unit.sweeps.fake import row, trial

BASE = Base(
    "small",
    Recipe.of(
        {"model": "gpt", "data": "shakespeare", "context": 8, "width": 8, "layers": 1, "heads": 1, "optimizer": "muon",
         "lr": 0.1, "constraint": "soft_cap", "w_max": 1, "steps": 6, "batch": 4}
    ).to_json(),
)  # fmt: skip
SEARCH: Mapping[str, Range | list[Any]] = {
    "w_max": Range(low=0.5, high=1.8, log=True),
    "logit_scale": Range(low=0.5, high=128.0, log=True),
    "heads": [1, 2],
    "layers": Range(low=1, high=3),
}
TARGETS = [None, Fraction(2)]


def asked(study: Study, trials: int, together: int = 4) -> list[tuple[Change, Trial]]:
    found: list[tuple[Change, Trial]] = []
    while len(found) < trials:
        changes = study.ask(min(together, trials - len(found)))
        rows = [trial(BASE, change) for change in changes]
        study.tell(rows)
        found += zip(changes, rows, strict=True)
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_seed_asks_for_the_same_and_another_for_others(target: Fraction | None) -> None:
    once, again, other = (asked(Study(SEARCH, seed, target), 12) for seed in (0, 0, 1))
    assert once == again
    assert once != other


@pytest.mark.parametrize("target", TARGETS)
def test_a_longer_study_begins_as_the_shorter_one(target: Fraction | None) -> None:
    assert asked(Study(SEARCH, 0, target), 16)[:10] == asked(Study(SEARCH, 0, target), 10)


def test_values_are_within_the_search_and_short_enough_to_read() -> None:
    for change, _ in asked(Study(SEARCH, 3, None), 20):
        assert 0.5 <= change["w_max"] <= 1.8
        assert change["heads"] in (1, 2)
        assert change["layers"] in (1, 2, 3)
        assert float(f"{change['w_max']:.3g}") == change["w_max"] or change["w_max"] in (0.5, 1.8)


def test_choices_may_be_lists_and_are_handed_out_as_they_stand() -> None:
    widths = [[64, 10], [64, 32, 10]]
    assert all(change["widths"] in widths for change in Study({"widths": widths}, 0, None).ask(4))


def test_above_the_target_the_same_is_tried_with_so_much_smaller_logits() -> None:
    study = Study(SEARCH, 0, Fraction(2))
    first = study.ask(4)
    rows = [row(BASE, each, validation_loss=2.0, upper="4.0e+0", log10_upper=math.log10(4)) for each in first]
    study.tell(rows)
    movable = [each for each in first if each["logit_scale"] * 0.49 >= 0.5]
    assert movable
    for before, after in zip(movable, study.ask(len(movable)), strict=True):
        assert {**after, "logit_scale": 0} == {**before, "logit_scale": 0}
        assert after["logit_scale"] == pytest.approx(before["logit_scale"] / 2 * 0.98, rel=6e-3)


@pytest.mark.parametrize(
    "came",
    [
        {"validation_loss": 2.0, "upper": "2.0e+0", "log10_upper": math.log10(2)},  # reached
        {"validation_loss": 2.0, "upper": "0", "log10_upper": None},  # so is a bound of 0
        {"validation_loss": 2.0, "upper": "1.0e+300", "log10_upper": 300.0},  # no logits are small enough
        {"status": "diverged", "why": "step 1"},
    ],
)
def test_nothing_follows_where_nothing_can_come_of_it(came: dict[str, Any]) -> None:
    study, other = Study(SEARCH, 0, Fraction(2)), Study(SEARCH, 0, Fraction(2))
    for each in (study, other):
        (first,) = each.ask(1)
    study.tell([row(BASE, first, **came)])
    other.tell([row(BASE, first, status="unbounded", why="no rule")])
    assert study.ask(1) == other.ask(1)


def test_what_follows_reaches_the_target_on_a_bound_that_is_nearly_proportional() -> None:
    found = [each for _, each in asked(Study(SEARCH, 0, Fraction(2)), 24)]
    reached = [each for each in found if reaches(each, Fraction(2))]
    assert len(reached) > 6
    assert max(Fraction(each["upper"]) for each in reached) <= 2


def test_only_a_proved_bound_at_most_the_target_reaches_it() -> None:
    target = Fraction(1, 10)
    assert reaches(row(BASE, {}, upper="9.99e-2"), target)
    assert reaches(row(BASE, {}, upper="0"), target)
    assert not reaches(row(BASE, {}, upper="1.00000000000001e-1"), target)
    assert not reaches(row(BASE, {}, upper="1.0e+999999"), target)
    assert not reaches(row(BASE, {}, status="unbounded"), target)
    assert not reaches(row(BASE, {}, status="diverged", upper=None), target)


def test_targets_may_exceed_a_float() -> None:
    assert log10_of(Fraction(10) ** 400) == pytest.approx(400)
    assert log10_of(1 / Fraction(10) ** 400) == pytest.approx(-400)


def test_trials_without_a_number_count_as_the_worst() -> None:
    """Whatever diverges is left alone more and more."""
    study = Study({"w_max": Range(low=1.0, high=3.0)}, 0, None)
    wide = [change["w_max"] for change, each in asked(study, 40) if each["status"] == "diverged"]
    late = [change["w_max"] > 1.9 for change, _ in asked(study, 20)]
    assert wide
    assert sum(late) < 10


def test_without_optuna_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match="needs the package optuna") as refusal:
        Study(SEARCH, 0, None)
    assert "lipcert[sweep]" in refusal.value.hint


def test_bounds_fall_from_a_trial_to_the_one_that_follows() -> None:
    chain = asked(Study(SEARCH, 5, Fraction(1, 2)), 12, together=1)
    followed = [
        (before, after)
        for (a, before), (b, after) in pairwise(chain)
        if {**a, "logit_scale": 0} == {**b, "logit_scale": 0}
    ]
    assert followed
    assert all(after["log10_upper"] < before["log10_upper"] for before, after in followed)
