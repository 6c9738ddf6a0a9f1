"""What is printed of a proved number still holds."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipcert.reports.numbers import proved_percent, ratio, up


@given(st.decimals(min_value="1e-290", max_value="1e290"))
def test_a_bound_is_never_printed_smaller(value: Decimal) -> None:
    assert Decimal(up(value)) >= value
    assert Decimal(up(value)) <= value * Decimal("1.00002")


@given(st.floats(0, 1))
def test_a_proved_share_is_never_printed_larger(share: float) -> None:
    assert Decimal(proved_percent(share).removesuffix("%")) <= Decimal(share) * 100 + Decimal("1e-13")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("3", "3"),
        ("3.0000001", "3.00001"),
        ("1e+264", "1e+264"),
        ("1e+400", "10^400.000"),
        ("1.001e+400", "10^400.001"),
    ],
)
def test_bounds_beyond_a_float_are_powers_of_ten(value: str, text: str) -> None:
    assert up(Decimal(value)) == text


@pytest.mark.parametrize(
    ("large", "small", "text"),
    [("1.0962", "1", "1.10"), ("1080", "1", "1080"), ("1e300", "1", "10^300.1"), ("1", "0", "")],
)
def test_a_ratio_has_three_digits_and_needs_two_numbers(large: str, small: str, text: str) -> None:
    assert ratio(Decimal(large), Decimal(small)) == text
