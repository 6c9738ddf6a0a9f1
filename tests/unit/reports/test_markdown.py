"""A report as Markdown: what would be markup stands as it is."""

import pytest

from lipcert.reports.content import Cell, Column, Report, Section, Table, Text
from lipcert.reports.markdown import render


def rendered(*items: Text | Table) -> str:
    return render(Report("t", (), (Section("s", "s", items),))).removeprefix("# t\n\n## s\n\n")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("w_max * 2 [x](y) <b>", r"w\_max \* 2 \[x\](y) \<b\>"),
        ("|f(x)| ~ #1", r"\|f(x)\| \~ \#1"),
        ("run `lipcert bound a_b`, then", "run `lipcert bound a_b`, then"),
        ("two\nlines", "two lines"),
    ],
)
def test_a_paragraph(text: str, written: str) -> None:
    assert rendered(Text(text)) == f"{written}\n"


def test_a_line_of_code_is_left_as_it_is() -> None:
    assert rendered(Text("lipcert bound a_b --domain box:0,1", code=True)) == "    lipcert bound a_b --domain box:0,1\n"


def test_a_cell_cannot_end_its_cell() -> None:
    table = Table("c", [Column("a|b"), Column("n", number=True)], [[Cell("x | `y|z`"), Cell("50%", 0.5, bar=0.5)]])
    assert rendered(table).splitlines()[2:] == [r"| a\|b | n |", "| --- | ---: |", r"| x \| `y\|z` | █████ 50% |"]


def test_a_tone_is_a_sign_too() -> None:
    assert rendered(Text("It is a bug.", "bad")) == "**✗** It is a bug.\n"


def test_a_long_table_is_folded() -> None:
    text = rendered(Table("all <of> `a_b`", [Column("a")], [[Cell("1")]], many=True))
    assert text.startswith("<details>\n<summary>all &lt;of&gt; <code>a_b</code></summary>\n\n| a |")
