"""Numbers against limits and baselines: exactly, and to the stricter side."""

from decimal import Decimal
from typing import Any, Literal

import pytest

from lipcert.errors import InputError
from lipcert.gates.baseline import Entry
from lipcert.gates.judge import misses
from lipcert.gates.result import shown
from lipcert.reports.quantities import Reading
from lipcert.workspace.gate import Gate

Standing = Literal["proved", "measured"]


def rule(quantity: str, **keys: Any) -> Gate:
    eps = {"eps": "1/10"} if quantity in ("attacked-accuracy", "certified-accuracy", "accuracy-drop") else {}
    return Gate.model_validate({"model": "m", "quantity": quantity} | eps | keys)


def reading(value: str, standing: Standing = "proved", claim: str = "c") -> Reading:
    return Reading(Decimal(value), standing, "bound.json", claim)


def met(rule: Gate, value: str, baseline: str | None = None) -> bool:
    entry = None if baseline is None else Entry(Decimal(baseline), "proved", "c", "0" * 64)
    return not misses(rule, reading(value), entry)


LOWER, HIGHER = ("bound", "slack", "largest-activation"), ("accuracy", "attacked-accuracy", "certified-accuracy")


@pytest.mark.parametrize("quantity", LOWER)
def test_less_is_better_and_the_limit_itself_is_allowed(quantity: str) -> None:
    assert met(rule(quantity, limit=16), "16")
    assert not met(rule(quantity, limit=16), "16.00000000000000000000000001")


@pytest.mark.parametrize("quantity", HIGHER)
def test_more_is_better_and_the_limit_itself_is_allowed(quantity: str) -> None:
    assert met(rule(quantity, limit="0.9"), "0.9")
    assert not met(rule(quantity, limit="0.9"), "0.8999999999999999999999999999")


def test_a_limit_without_a_finite_decimal_is_met_by_nothing_worse() -> None:
    assert not met(rule("accuracy", limit="1/3"), "0.3333333333333333333333333333")
    assert met(rule("accuracy", limit="1/3"), "0.3333333333333333333333333334")
    assert not met(rule("accuracy-drop", limit="1/3"), "0.3333333333333333333333333334")


@pytest.mark.parametrize("value", ["15.8555790001", "0.1000000000000000055511151231257827021181583404541015625"])
@pytest.mark.parametrize("tolerance", ["0%", "0"])
def test_without_tolerance_the_same_number_passes_and_the_next_one_does_not(value: str, tolerance: str) -> None:
    assert met(rule("bound", tolerance=tolerance), value, baseline=value)
    assert not met(rule("bound", tolerance=tolerance), f"{value}1", baseline=value)


def test_a_share_of_the_baseline_is_allowed() -> None:
    assert met(rule("bound", tolerance="5%"), "105", baseline="100")
    assert not met(rule("bound", tolerance="5%"), "105.01", baseline="100")
    assert met(rule("accuracy", tolerance="5%"), "0.855", baseline="0.9")
    assert not met(rule("accuracy", tolerance="5%"), "0.8549", baseline="0.9")


def test_a_number_of_units_is_allowed() -> None:
    assert met(rule("accuracy-drop", tolerance="0.02"), "0.12", baseline="0.1")
    assert not met(rule("accuracy-drop", tolerance="0.02"), "0.1201", baseline="0.1")
    assert not met(rule("certified-accuracy", tolerance="0.02"), "0.8799", baseline="0.9")


def test_better_than_the_baseline_passes() -> None:
    assert met(rule("bound", tolerance="0%"), "1", baseline="100")
    assert met(rule("accuracy", tolerance="0%"), "1", baseline="0.5")


def test_limit_and_tolerance_both_hold() -> None:
    both = rule("bound", limit=16, tolerance="50%")
    assert met(both, "15", baseline="12")
    assert not met(both, "15", baseline="9")
    assert not met(both, "17", baseline="16")
    assert len(misses(both, reading("17"), Entry(Decimal(1), "proved", "c", ""))) == 2


def test_bounds_beyond_any_float_are_compared() -> None:
    assert met(rule("bound", tolerance="5%"), "1.05e+264", baseline="1e+264")
    assert not met(rule("bound", tolerance="5%"), "1.06e+264", baseline="1e+264")
    assert not met(rule("bound", limit=16), "9e+999999999")
    assert not met(rule("bound", tolerance="5%"), "1e+999999", baseline="1e+264")


def test_a_missing_baseline_is_not_met() -> None:
    with pytest.raises(InputError, match=r"gate-baseline.json has no bound of m") as caught:
        misses(rule("bound", tolerance="5%"), reading("1"), None)
    assert "--update-baseline" in caught.value.hint


@pytest.mark.parametrize(("standing", "claim"), [("measured", "c"), ("proved", "another domain")])
def test_a_baseline_of_something_else_is_not_compared_with(standing: Standing, claim: str) -> None:
    with pytest.raises(InputError, match="the baseline is"):
        misses(rule("bound", tolerance="5%"), reading("1"), Entry(Decimal(9), standing, claim, ""))


def test_numbers_are_shown_rounded_to_what_is_worse() -> None:
    assert shown(Decimal("16.0000001"), higher=False) == "16.0001"
    assert shown(Decimal("0.8999999999"), higher=True) == "0.899999"
    assert shown(Decimal("1.5e+264"), higher=False) == "1.5e+264"
    assert shown(Decimal("1.23456789e+400"), higher=False) == "1.23457e+400"
    assert shown(Decimal(0), higher=False) == "0"
