"""Numbers and domains as people write them, read exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipcert.workspace.exact import DomainSpec, parse_domain, parse_exact, to_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8/255", Fraction(8, 255)),
        ("0.5/255", Fraction(1, 510)),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        ("-3.", Fraction(-3)),
        (" 1e-3 ", Fraction(1, 1000)),
        ("1E+2", Fraction(100)),
        ("-8 / 255", Fraction(-8, 255)),
    ],
)
def test_exact_numbers(text: str, value: Fraction) -> None:
    assert parse_exact(text) == value


@given(st.fractions())
def test_every_fraction_comes_back(value: Fraction) -> None:
    assert parse_exact(str(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_read_as_its_decimal(value: float) -> None:
    assert parse_exact(repr(value)) == Fraction(repr(value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "nan",
        "inf",
        "-inf",
        "1/0",
        "1/2/3",
        "0x10",
        "1_000",
        "1e9999",
        "1e",
        "٣",
        "1,5",
        "8/",
        "--1",
        "1" * 500,
    ],
)
def test_no_exact_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"exact number|divides by zero"):
        parse_exact(text)


def test_domains() -> None:
    assert parse_domain("everywhere") == DomainSpec("everywhere", None, None, Fraction(0))
    assert parse_domain("box:0,1") == DomainSpec("box", Fraction(0), Fraction(1), Fraction(0))
    assert parse_domain("vocabulary") == DomainSpec("vocabulary")
    assert parse_domain("vocabulary", Fraction(1, 10)).radius == Fraction(1, 10)
    spec = parse_domain("box:-8/255, 1.5", Fraction(1, 2))
    assert spec == ("box", Fraction(-8, 255), Fraction(3, 2), Fraction(1, 2))


@pytest.mark.parametrize(
    ("text", "radius", "message"),
    [
        ("", 0, "no domain"),
        ("Everywhere", 0, "no domain"),
        ("everywhere:0,1", 0, "no domain"),
        ("box", 0, "no domain"),
        ("box:", 0, "no domain"),
        ("box:1", 0, "no domain"),
        ("box:0,1,2", 0, "no domain"),
        ("box:0,nan", 0, "no exact number"),
        ("box:1,0", 0, "is empty"),
        ("vocabulary:0,1", 0, "no domain"),
        ("vocabulary+1/10", 0, "no domain"),
        ("vocabulary", -1, "negative"),
        ("box:0,1", -1, "negative"),
        ("everywhere", 1, "no room for a radius"),
    ],
)
def test_no_domain(text: str, radius: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_domain(text, Fraction(radius))


@pytest.mark.parametrize("text", ["16", "0.1", "1/3", "1e+20", "8/255", "-0.25", "1" + "0" * 400])
def test_an_exact_number_is_written_as_people_write_it_and_read_back(text: str) -> None:
    value = Fraction(text)
    assert to_text(value) == text
