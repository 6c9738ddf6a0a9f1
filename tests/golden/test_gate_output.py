"""JUnit, Markdown, JSON, annotations and the table of a gate, compared with files kept here."""

import io
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from lipcert.cli import gate, screen
from lipcert.gates import result as results
from lipcert.gates.baseline import Entry
from lipcert.gates.github import annotations
from lipcert.gates.junit import to_junit
from lipcert.gates.markdown import to_markdown
from lipcert.gates.result import GateResult, Row, Verdict
from lipcert.reports.quantities import Reading
from lipcert.workspace.gate import Gate

HERE = Path(__file__).parent
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKENS = "token-rms on vocabulary, from embedding 64"
BOUND = "l2 on box:0,1, from input 8×8"
ATTACKED = "l2, suite short, eps 1/2, from input, the first 12 of digits.py:test (SHA-256 000000000000)"


def rule(quantity: str, model: str = "digits", **keys: Any) -> Gate:
    return Gate.model_validate({"model": model, "quantity": quantity} | keys)


RESULT = GateResult(
    (
        Row(
            rule("bound", limit=16, tolerance="5%"), Verdict.PASSED,
            Reading(Decimal("15.8555790001"), "proved", "bound.json", BOUND),
            Entry(Decimal("15.5"), "proved", BOUND, "0" * 64), line=12,
        ),
        Row(
            rule("attacked-accuracy", eps="1/2", suite="short", examples=12, limit="0.95"), Verdict.FAILED,
            Reading(Decimal("0.9166666666666666666666666666"), "measured", "attack.json", ATTACKED),
            message="attacked-accuracy of digits is 0.916666; at least 0.95 is asked.",
            notes=("masked gradients: 3 of 12 examples have no gradient.",), line=18,
        ),
        Row(
            rule("bound", model="a|b <c>", limit=2), Verdict.BROKEN,
            message="found/certificate.json: facts.x: gain 1 is claimed,\n`50%` of ]]> & \x1b is what can be proved",
            hint="Make it again: lipcert bound net.pt2 --norm l2 --out found --force", line=26,
        ),
        Row(
            rule("bound", model="gpt", tolerance="0.5"), Verdict.FAILED,
            Reading(Decimal("1.55812345678901e+264"), "proved", "computed", TOKENS),
            Entry(Decimal("1.5e+264"), "proved", TOKENS, "0" * 64),
            message="bound of gpt is 1.55813e+264; the baseline is 1.5e+264, and 0.5 worse is allowed.", line=31,
        ),
        Row(
            rule("slack", limit="3/2"), Verdict.VIOLATED,
            message="bound.json holds a measured ratio, 17.0, above the bound that is proved, 1.6e+1.",
            hint="Report it.", line=36,
        ),
    ),
    Path("models/lipcert.toml"), 1.25,
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "version", lambda _: "0")


def kept(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def test_the_json() -> None:
    assert json.dumps(RESULT.to_json(), indent=1, allow_nan=False) + "\n" == kept("gate.json")


def test_the_json_is_what_its_schema_says() -> None:
    from lipcert.store.schema import read_json

    assert read_json(HERE / "gate.json", "gate")["exit_code"] == 5


def test_the_markdown() -> None:
    assert to_markdown(RESULT) == kept("gate.md")


def test_the_annotations() -> None:
    assert "\n".join(annotations(RESULT)) + "\n" == kept("gate.github.txt")


def test_an_annotation_is_one_line_whatever_a_message_holds() -> None:
    """The runner reads a command a line, and %, newlines, and in properties : and , end a value."""
    command = re.compile(r"::error file=[^,:]+,line=\d+,title=[^,:]+::[^\n\r]+")
    for line in annotations(RESULT):
        assert command.fullmatch(line), line
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", line), line


def test_the_junit() -> None:
    assert to_junit(RESULT, NOW) == kept("gate.xml")


def test_the_junit_is_what_the_schema_of_ant_requires() -> None:
    root = Xml.fromstring(kept("gate.xml"))
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    needed = {"id", "package", "name", "hostname", "timestamp", "time", "tests", "failures", "errors"}
    assert set(suite.attrib) == needed
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    cases = suite.findall("testcase")
    assert [child.tag for child in suite] == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
    assert all(set(case.attrib) == {"name", "classname", "time"} and len(case) <= 1 for case in cases)
    outcomes = [child for case in cases for child in case]
    assert all(set(child.attrib) == {"type", "message"} for child in outcomes)
    counted = {name: str(sum(child.tag == name[:-1] for child in outcomes)) for name in ("failures", "errors")}
    assert {name: suite.attrib[name] for name in counted} == counted == {"failures": "2", "errors": "2"}
    assert suite.attrib["tests"] == str(len(cases)) == "5"


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = screen.Screen(file=io.StringIO(), width=150, highlight=False)
    monkeypatch.setattr(screen, "console", lambda: printed)
    gate._show(RESULT, asked=False, as_json=False)
    assert isinstance(printed.file, io.StringIO)
    lines = [line.rstrip() for line in printed.file.getvalue().splitlines()]
    assert "\n".join(lines) + "\n" == kept("gate.txt")
