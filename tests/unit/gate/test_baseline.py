"""How a baseline could let a worse number pass, and that none does."""

from pathlib import Path

import pytest

from lipcert.errors import ExitCode
from lipcert.gates.result import Verdict
from tests.unit.gate.made import BOUND, edit, gated, judged, rule, workspace


@pytest.mark.parametrize("value", ["NaN", "inf", "-1e+0", ""])
def test_a_baseline_that_is_no_number_is_broken(value: str, stored: Path) -> None:
    folder = workspace(stored, rule("bound", tolerance="5%"), results="found")
    assert gated(folder, update_baseline=True).passed
    edit(folder / "gate-baseline.json", lambda found: found["rules"][0].update(value=value))
    assert judged(folder).verdict == Verdict.BROKEN


def test_a_baseline_that_has_a_rule_twice_is_broken(stored: Path) -> None:
    folder = workspace(stored, rule("bound", tolerance="5%"), results="found")
    assert gated(folder, update_baseline=True).passed
    edit(folder / "gate-baseline.json", lambda found: found["rules"].append(found["rules"][0] | {"value": "9e+9"}))
    row = judged(folder)
    assert row.verdict == Verdict.BROKEN
    assert "has bound of digits twice" in row.message


def test_a_baseline_of_another_domain_is_broken(stored: Path) -> None:
    folder = workspace(stored, rule("bound", tolerance="5%"), results="found")
    assert gated(folder, update_baseline=True).passed
    edit(
        folder / "gate-baseline.json", lambda found: found["rules"][0].update(claim="l2 on everywhere, from input 8×8")
    )
    row = judged(folder)
    assert row.verdict == Verdict.BROKEN
    assert "l2 on everywhere" in row.message


def test_a_bound_that_trips_the_checker_does_not_hide_a_failed_rule(stored: Path) -> None:
    edit(stored / "found/bound.json", lambda found: found.update(upper="1e+0"))
    result = gated(workspace(stored, BOUND, rule("accuracy", limit=1), rule("attacked-accuracy", eps="2", limit=0.5),
                             results="found"))  # fmt: skip
    assert [row.verdict for row in result.rows] == [Verdict.BROKEN, Verdict.PASSED, Verdict.FAILED]
    assert result.exit_code == ExitCode.INPUT
