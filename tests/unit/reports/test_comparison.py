"""Networks side by side: what compares with what, and what is a regression."""

from pathlib import Path
from typing import Any

import pytest

from lipcert.errors import InputError, UsageError
from lipcert.reports.api import Comparison, compare
from lipcert.reports.content import Picture, Report
from lipcert.reports.record import Record, read_record
from lipcert.reports.sections import describe
from tests.unit.reports import made

OTHER = {"a.weight": made.HASH[::-1], "b.weight": made.HASH}


@pytest.fixture
def pair(tmp_path: Path) -> list[Record]:
    """A network, and one whose bound is twice as large, whose loss is smaller."""
    made.run(tmp_path / "small")
    made.run(tmp_path / "large", upper="6.0", log10_upper=0.7782, loss=0.25, weights_sha256=OTHER)
    return [read_record(tmp_path / name) for name in ("small", "large")]


def outcome(found: Comparison, title: str) -> tuple[str, str]:
    (change,) = (each for each in found.changes if each.title == title)
    return change.outcome, change.by


def test_what_is_worse_than_the_baseline_is_a_regression(pair: list[Record]) -> None:
    found = compare(pair, baseline="small")
    assert outcome(found, "proved bound") == ("worse", "a factor of 2.00")
    assert outcome(found, "accuracy under attack at eps 0.25") == ("same", "")
    assert "large: proved bound is worse by a factor of 2.00" in found.regressions
    assert compare(pair, baseline="large").regressions == ()
    assert compare(pair).regressions == ()


def test_numbers_of_different_claims_are_not_compared(tmp_path: Path) -> None:
    made.run(tmp_path / "a", trained=False)
    claim = made.CLAIM | {"domain": "everywhere"}
    made.run(tmp_path / "b", trained=False, upper="6.0e+2", claim=claim, weights_sha256=OTHER)
    found = compare([tmp_path / "a", tmp_path / "b"], baseline="a")
    assert outcome(found, "proved bound") == ("not compared", "of different claims")
    assert found.regressions == ()
    said = str(describe(found.records, title="", looked={}))
    assert "Not of one claim" in said
    assert "b l2 on everywhere" in said
    assert "No figure sets quality against bound" in said


def test_what_only_one_has_is_not_compared(tmp_path: Path) -> None:
    made.run(tmp_path / "a", trained=False)
    made.train(tmp_path / "b")
    found = compare([tmp_path / "a", tmp_path / "b"], baseline="a")
    assert outcome(found, "certified accuracy at eps 0.5") == ("not compared", "stored of one only")


def test_quality_is_set_against_the_bound(pair: list[Record]) -> None:
    report = describe(pair, title="", looked={}, baseline="small")
    (picture,) = (each for each in pictures(report) if each.name == "tradeoff")
    (axis,) = picture.figure.axes
    points = [(round(line.get_xdata()[0], 3), line.get_ydata()[0]) for line in axis.lines]
    assert points == [(0.477, 0.5), (0.778, 0.25)]
    assert axis.get_ylabel() == "validation loss"
    assert "small 0.5 at 3" in picture.alt


def test_the_sections_of_several_are_those_of_one_and_what_changed(pair: list[Record]) -> None:
    report = describe(pair, title="", looked={}, baseline="small")
    assert [section.id for section in report.sections] == [
        "summary", "changes", "verdict", "layers", "gap", "accuracy", "drop", "radius", "activations", "casts",
        "spectra", "training", "recipes", "provenance",
    ]  # fmt: skip
    names = [picture.name for picture in pictures(report)]
    assert len(set(names)) == len(names)
    assert {"layers", "spectra-1", "spectra-2"} < set(names)


def test_recipes_show_where_they_differ(tmp_path: Path) -> None:
    for name, recipe in (("a", {"optimizer": "muon", "lr": 0.1}), ("b", {"optimizer": "adamw", "lr": 0.1})):
        made.train(tmp_path / name, recipe=recipe)
    report = describe([read_record(tmp_path / name) for name in "ab"], title="", looked={})
    said = str(next(section for section in report.sections if section.id == "recipes"))
    assert "muon" in said
    assert "adamw" in said
    assert "'lr'" not in said
    assert "2 more keys are alike" in said


def test_equal_names_get_the_folder_above(tmp_path: Path) -> None:
    for place in ("one", "two"):
        made.run(tmp_path / place / "run")
    found = compare([tmp_path / "one/run", tmp_path / "two/run"])
    assert [record.name for record in found.records] == ["one/run", "two/run"]


def pictures(report: Report) -> list[Picture]:
    return [item for section in report.sections for item in section.items if isinstance(item, Picture)]


def test_members_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    run: Any = made.run(tmp_path / "run")
    with pytest.raises(UsageError, match="no comparison"):
        compare([run])
    with pytest.raises(UsageError, match="two of the networks"):
        compare([run, run])
    with pytest.raises(InputError, match="no such run folder or checkpoint"):
        compare([run, tmp_path / "none"])
    made.run(tmp_path / "other")
    with pytest.raises(UsageError, match="Name one of run, other"):
        compare([run, tmp_path / "other"], baseline="third")


def test_a_checkpoint_is_bounded_afresh() -> None:
    demo = Path(__file__).parents[3] / "demo/digits.safetensors"
    made_afresh, again = compare([demo, read_again(demo)], seconds=0.2, baseline="digits").records
    assert made_afresh.bound is not None
    assert made_afresh.bound["claim"]["domain"] == "everywhere"
    assert again.folder is None


def read_again(path: Path) -> Record:
    """The same checkpoint as a record, under another name."""
    return Record("again", {"weight": made.HASH}, bound=made.bound(path=str(path.parent / "gone.safetensors")))


def test_the_numbers_for_machines_say_what_they_are(pair: list[Record]) -> None:
    found = compare(pair, baseline="small").to_json()
    first = found["models"][0]["readings"][0]
    assert first == {
        "quantity": "bound", "eps": None, "value": "3.00000049", "standing": "proved", "source": "bound.json",
        "claim": "l2 on box:0,1, from input 4",
    }  # fmt: skip
    assert found["baseline"] == "small"
    (change,) = (each for each in found["changes"] if each["quantity"] == "bound")
    assert (change["before"], change["after"], change["outcome"]) == ("3.00000049", "6.0", "worse")
