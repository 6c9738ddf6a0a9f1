"""What each section says of stored results: verdicts, counts, and what is not drawn."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lipcert.reports.content import Picture, Report, Section, Table, Text
from lipcert.reports.record import Record, read_record
from lipcert.reports.sections import describe
from lipcert.reports.sections.accuracy import accuracy, drop
from lipcert.reports.sections.checks import checks
from lipcert.reports.sections.inside import spectra
from lipcert.reports.sections.radius import radius
from lipcert.reports.sections.verdict import in_words, verdict, violated
from lipcert.store.atomic import write_json
from tests.unit.reports import made


def record(folder: Path, **changes: Any) -> Record:
    return read_record(made.run(folder / "run", **changes))


def attacked(folder: Path, **changes: Any) -> Record:
    made.attack(folder, **changes)
    return read_record(folder)


def verdicts(of: Record) -> dict[str, str]:
    """The first word of each check → its verdict."""
    return {check.what.split(",")[0]: check.verdict for check in checks(of)}


def cells(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def tables(section: Section | None) -> list[Table]:
    assert section is not None
    return [item for item in section.items if isinstance(item, Table)]


def test_what_holds_is_proved_or_upheld(tmp_path: Path) -> None:
    found = record(tmp_path)
    assert set(verdicts(found).values()) == {"PROVED", "UPHELD"}
    assert in_words(checks(found)) == "2 proved, 4 upheld"
    assert violated([found]) == []
    first = verdict([found]).items[0]
    assert isinstance(first, Text)
    assert first.tone == "good"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"lower": 3.1}, "VIOLATED"),  # above 3.00000049
        ({"lower": 3.0}, "UPHELD"),
        ({"lower": None}, "UPHELD"),  # train.json has measured the same claim
        ({"lower": None, "trained": False}, "NOT STORED"),
    ],
)
def test_a_measured_ratio_is_held_against_the_bound(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    assert verdicts(record(tmp_path, **changes))["No ratio that was measured exceeds the bound"] == expected


def test_what_another_file_measured_of_the_same_claim_counts(tmp_path: Path) -> None:
    made.run(tmp_path / "run", trained=False)
    made.train(tmp_path / "run", bounds=[{
        "claim": made.CLAIM, "upper": "9.0", "log10_upper": 0.9543, "lower": 5.0, "paper_accounting": None,
    }])  # fmt: skip
    assert any("measured 5, proved 3.00001" in each for each in violated([read_record(tmp_path / "run")]))


def test_a_result_that_is_no_proof_passes_for_none(tmp_path: Path) -> None:
    found = record(tmp_path, trained=False, status="estimated")
    assert verdicts(found)["A bound of the whole network is proved"] == "NOT PROVED"
    assert verdicts(found)["No ratio that was measured exceeds the bound"] == "NOT STORED"
    report = describe([found], title="", looked={})
    assert "ESTIMATED" in report.claim[0].text
    assert report.claim[0].tone == "caution"


@pytest.mark.parametrize(
    ("radii", "expected", "seen"),
    [
        ([(0.2, 0.21), (0.3, None)], "UPHELD", "0 of 1 examples"),
        ([(0.2, 0.2), (0.3, None)], "VIOLATED", "1 of 1 examples"),
        ([(0.2, 0.19), (0.3, 0.4)], "VIOLATED", "1 of 2 examples"),
        ([(None, 0.19), (None, None)], "NOT STORED", "no radius is certified"),
    ],
)
def test_radii_are_compared_row_by_row(tmp_path: Path, radii: list[Any], expected: str, seen: str) -> None:
    check = next(each for each in checks(attacked(tmp_path, radii=radii)) if "certified radius" in each.what)
    assert check.verdict == expected
    assert check.seen.startswith(seen)


def test_accuracies_out_of_order_are_a_violation(tmp_path: Path) -> None:
    found = attacked(tmp_path, accuracy=[made.accuracy("1/4", 0.5, 0.6), made.accuracy("1/2", 0.5, 0.5)])
    check = next(each for each in checks(found) if each.what.startswith("Certified accuracy"))
    assert (check.verdict, check.seen) == ("VIOLATED", "not at eps 0.25")


def test_flags_of_the_attacks_are_no_uphold(tmp_path: Path) -> None:
    found = attacked(tmp_path, flags=[{"name": "steps", "sentence": "The gradients mislead."}])
    check = next(each for each in checks(found) if "masked" in each.what)
    assert (check.verdict, check.seen) == ("FLAGGED", "The gradients mislead.")


@pytest.mark.parametrize(
    ("holds", "norm", "expected"), [(True, 2.0, "PROVED"), (True, 2.1, "VIOLATED"), (False, 2.1, "NOT PROVED")]
)
def test_norms_are_held_against_their_caps(tmp_path: Path, holds: bool, norm: float, expected: str) -> None:
    capped = {"holds": holds, "why": "a theorem", "norms": {"a.weight": {"norm": norm, "w_max": 2.0}}}
    made.train(tmp_path, guarantee=capped)
    assert verdicts(read_record(tmp_path))["Every weight under a cap is at most its cap"] == expected


def test_training_without_a_finite_bound_proves_nothing(tmp_path: Path) -> None:
    made.train(tmp_path, bounds=[])
    found = read_record(tmp_path)
    assert verdicts(found)["A bound of the whole network is proved"] == "NOT PROVED"
    assert "Nothing is proved" in describe([found], title="", looked={}).claim[0].text


def test_a_bound_that_training_alone_tells_of_is_not_called_proved(tmp_path: Path) -> None:
    made.train(tmp_path / "run", bounds=[{
        "claim": made.CLAIM | {"domain": "box:0,1+1/4"}, "upper": "3.5e+0", "log10_upper": 0.544, "lower": 2.0,
        "paper_accounting": None,
    }])  # fmt: skip
    found = read_record(tmp_path / "run")
    (claim,) = describe([found], title="", looked={}).claim
    checkpoint, command = tmp_path / "run/model.safetensors", "lipcert bound"
    proves = f"{command} {checkpoint} --norm l2 --domain box:0,1 --radius 1/4 --out {tmp_path / 'run'}"
    assert claim.tone == "caution"
    assert claim.text.startswith("NOT PROVED HERE: train.json says that |f(x) - f(x')| ≤ 3.5 ")
    assert f"No certificate shows it: `{proves}`" in claim.text
    assert verdicts(found)["A bound of the whole network is proved"] == "NOT PROVED"
    assert verdicts(found)["No ratio that was measured exceeds the bound"] == "UPHELD"


def test_a_ratio_above_a_bound_that_training_tells_of_is_a_violation(tmp_path: Path) -> None:
    bounds = [{"claim": made.CLAIM, "upper": "1.5e+0", "log10_upper": 0.2, "lower": 2.0, "paper_accounting": None}]
    made.train(tmp_path, bounds=bounds)
    assert "measured 2, stated 1.5" in violated([read_record(tmp_path)])[0]


ROUNDED = [(0.2, 0.19), (0.3, 0.4), (0.1, None), (0.6, None)]


@pytest.mark.parametrize(
    ("margin64", "expected", "seen"),
    [
        (1e-9, "UPHELD", "; 1 by rounding alone: in float64 they keep their class there"),
        (0.0, "VIOLATED", "never fooled"),
        (-1e-9, "VIOLATED", "never fooled"),
        (None, "VIOLATED", "never fooled"),
        ("absent", "VIOLATED", "makes it again"),
    ],
)
def test_what_rounding_alone_lets_in_is_no_violation(tmp_path: Path, margin64: Any, expected: str, seen: str) -> None:
    shares = [made.accuracy("1/5", 0.6, 0.4), made.accuracy("1/2", 0.4, 0.2)]
    made.attack(tmp_path, radii=ROUNDED, margin64=margin64, accuracy=shares)
    found = read_record(tmp_path)
    check = next(each for each in checks(found) if "certified radius" in each.what)
    assert check.verdict == expected
    assert check.seen.endswith(seen)
    cautions = [item.text for item in radius([found]).items if isinstance(item, Text)]
    assert any("1 of the points below it contradict nothing" in text for text in cautions) == (expected == "UPHELD")


def test_accuracies_are_in_order_but_for_what_rounding_lets_in(tmp_path: Path) -> None:
    radii = [(0.3, 0.1), (0.3, None), (0.3, None), (0.3, None)]
    for name, margin64, expected in (("a", 1e-9, "UPHELD"), ("b", -1e-9, "VIOLATED")):
        made.attack(tmp_path / name, radii=radii, margin64=margin64, accuracy=[made.accuracy("1/4", 0.6, 0.8)])
        check = next(each for each in checks(read_record(tmp_path / name)) if each.what.startswith("Certified acc"))
        assert check.verdict == expected


def test_the_claim_is_a_sentence_with_all_that_it_assumes(tmp_path: Path) -> None:
    (claim,) = describe([record(tmp_path)], title="", looked={}).claim
    said = "PROVED: |f(x) - f(x')| ≤ 3.00001 |x - x'| in l2, for x, x' in box:0,1, real arithmetic, input 1×4, with"
    assert claim.text.startswith(said)


def test_shares_that_are_proved_are_rounded_down(tmp_path: Path) -> None:
    rows = cells(tables(accuracy([attacked(tmp_path, accuracy=[made.accuracy("8/255", 0.79999, 0.39999)])]))[0])
    assert rows == [["8/255", "80.0%", "80.0%", "39.9%"]]


def test_what_is_lost_is_absolute_and_relative(tmp_path: Path) -> None:
    (table,) = tables(drop([attacked(tmp_path)]))
    assert [column.name for column in table.columns[2:4]] == ["after pgd", "after square"]
    assert cells(table)[1] == ["0.5", "80.0%", "60.0%", "40.0%", "40.0", "50.0%"]


def test_an_attack_that_could_not_run_has_an_empty_cell(tmp_path: Path) -> None:
    row = made.accuracy("1/4", 0.8, 0.4)
    (table,) = tables(drop([attacked(tmp_path, accuracy=[row | {"by_attack": {"pgd": None, "square": 0.8}}])]))
    assert cells(table)[0][2] == ""


def test_what_attacks_return_outside_their_budget_is_told(tmp_path: Path) -> None:
    counters = {"forward": 1, "backward": 1, "rejected": {"pgd": {"norm": 3}}}
    section = drop([attacked(tmp_path, counters=counters)])
    assert section is not None
    assert any(isinstance(item, Text) and "3 of pgd (norm)" in item.text for item in section.items)


def test_examples_are_counted_and_none_lies_below_the_diagonal(tmp_path: Path) -> None:
    section = radius([attacked(tmp_path)])
    (table,) = tables(section)
    assert cells(table)[0][:5] == ["4", "2", "2", "0", "0"]
    assert section is not None
    (picture,) = (item for item in section.items if isinstance(item, Picture))
    points = [xy for line in picture.figure.axes[0].lines for xy in zip(*line.get_data(), strict=True)]
    assert (0.6, 0.6) in points  # proved beyond the largest eps, 0.5
    assert all(x <= y for x, y in points)
    assert "0 of them below the diagonal" in picture.alt


def test_radii_far_apart_have_logarithmic_axes(tmp_path: Path) -> None:
    section = radius([attacked(tmp_path, radii=[(1e-29, 0.3), (1e-28, 0.4), (0.0, 0.4)])])
    assert section is not None
    (picture,) = (item for item in section.items if isinstance(item, Picture))
    assert list(picture.figure.axes[0].lines[0].get_xdata()) == [-29.0, -28.0]
    assert cells(tables(section)[0])[0][3] == "1"  # certified to 0


def test_what_is_not_stored_is_not_drawn_and_said_with_its_command(tmp_path: Path) -> None:
    write_json(tmp_path / "bound.json", made.bound())
    report = describe([read_record(tmp_path)], title="", looked={})
    assert [section.id for section in report.sections] == ["verdict", "layers", "gap", "absent", "provenance"]
    (absent,) = (section for section in report.sections if section.id == "absent")
    commands = " ".join(row[-1] for row in cells(tables(absent)[0]))
    assert f"lipcert attack CHECKPOINT --data DATA --out {tmp_path}" in commands
    assert "lipcert train NAME" in commands


def test_everything_that_is_stored_has_its_section(tmp_path: Path) -> None:
    report = describe([record(tmp_path)], title="", looked={"run": "It still holds exactly these weights."})
    assert [section.id for section in report.sections] == [
        "verdict", "layers", "gap", "accuracy", "drop", "radius", "activations", "casts", "spectra", "training",
        "provenance",
    ]  # fmt: skip
    names = [picture.name for picture in pictures(report)]
    assert len(set(names)) == len(names)
    assert all(picture.alt and picture.caption for picture in pictures(report))
    assert "still holds" in str(report.sections[-1].items[0])


def pictures(report: Report) -> list[Picture]:
    return [item for section in report.sections for item in section.items if isinstance(item, Picture)]


def test_bars_are_the_shares_of_the_layers(tmp_path: Path) -> None:
    report = describe([record(tmp_path)], title="", looked={})
    (layers,) = (section for section in report.sections if section.id == "layers")
    assert [row[-1].bar for row in tables(layers)[0].rows] == [0.5, 0.5]


def test_bounds_beyond_a_float_are_drawn(tmp_path: Path) -> None:
    huge = made.layer("a", 0.0, 400.0, 1.0) | {"norm": None, "gain": None}
    found = record(tmp_path, upper="1.0e+400", log10_upper=400.0, layers=[huge], trained=False)
    report = describe([found], title="", looked={})
    assert "10^400.000" in report.claim[0].text
    (gap,) = (picture for picture in pictures(report) if picture.name == "gap")
    assert max(x for line in gap.figure.axes[0].lines for x in line.get_xdata()) == pytest.approx(400.0)
    assert "10^400.000" in json.dumps([cells(table) for section in report.sections for table in tables(section)])


def test_a_bound_of_zero_has_no_point_on_a_logarithmic_axis(tmp_path: Path) -> None:
    constant = record(tmp_path, upper="0", log10_upper=None, lower=0.0, trained=False)
    report = describe([constant], title="", looked={})
    assert "gap" not in [picture.name for picture in pictures(report)]
    assert "≤ 0 |x - x'|" in report.claim[0].text


def test_of_many_weights_some_are_drawn_and_the_caption_says_so(tmp_path: Path) -> None:
    found = record(tmp_path)
    assert found.training is not None
    rows = [{"step": 2, "path": f"{i}.weight", "index": 0, "value": 1.0, "scaled": 1.0} for i in range(40)]
    many = replace(found, training=found.training._replace(tables={**found.training.tables, "spectra": rows}))
    section = spectra([many])
    assert section is not None
    (picture,) = (item for item in section.items if isinstance(item, Picture))
    assert "24 of 40 weights" in picture.caption
    assert {axis.get_title() for axis in picture.figure.axes} >= {"0", "39"}
