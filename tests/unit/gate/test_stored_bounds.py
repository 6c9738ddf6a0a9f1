"""How a bound could be smaller on paper than it is proved, and that none passes a gate."""

import json
from pathlib import Path
from typing import Any

import pytest

from lipcert.errors import ExitCode
from lipcert.gates.result import Verdict
from tests.unit.gate.made import BOUND, edit, gated, judge, judged, require_broken, rule, workspace


@pytest.mark.parametrize("name", ["bound.json", "certificate.json"])
def test_a_bound_lowered_in_one_file_is_broken(name: str, stored: Path) -> None:
    edit(stored / "found" / name, lambda found: found.update(upper="1e+0"))
    require_broken(judge(stored, BOUND), "differ in upper", "lipcert bound digits.safetensors --norm l2")


def test_a_bound_lowered_in_both_files_is_broken(stored: Path) -> None:
    for name in ("bound.json", "certificate.json"):
        edit(stored / "found" / name, lambda found: found.update(upper="1e+0"))
    require_broken(judge(stored, BOUND), "can be proved", "lipcert bound digits.safetensors")


def test_a_certificate_of_lowered_facts_is_broken(stored: Path) -> None:
    def lower(found: dict[str, Any]) -> None:
        found["facts"] = {name: fact | {"gain": "1e+0"} for name, fact in found["facts"].items()}

    edit(stored / "found/certificate.json", lower)
    require_broken(judge(stored, BOUND), "is claimed")


def test_a_bound_without_its_certificate_is_broken(stored: Path) -> None:
    (stored / "found/certificate.json").unlink()
    require_broken(judge(stored, BOUND), "certificate.json: no such file", "")


@pytest.mark.parametrize("status", ["estimated", "unsupported"])
def test_a_bound_that_is_not_proved_is_broken(status: str, stored: Path) -> None:
    edit(stored / "found/bound.json", lambda found: found.update(status=status))
    require_broken(judge(stored, BOUND), f"its status is {status}")


def test_a_bound_without_a_number_is_broken(stored: Path) -> None:
    edit(stored / "found/bound.json", lambda found: found.update(upper=None, log10_upper=None))
    require_broken(judge(stored, BOUND), "proves nothing")


@pytest.mark.parametrize("text", ["NaN", "1e999"])
def test_no_number_is_broken(text: str, stored: Path) -> None:
    path = stored / "found/bound.json"
    lower = json.loads(path.read_text())["lower"]
    path.write_text(path.read_text().replace(f'"lower": {lower!r}', f'"lower": {text}'))
    require_broken(judge(stored, rule("slack", limit=2)), "no strict JSON")


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"domain": "box:0,1/2"}, "asks for box:0,1"),
        ({"norm": "linf"}, "asks for l2"),
        ({"output": "other"}, "claim.output"),
        ({"module": "layers.0"}, "claim.module"),
        ({"shape": [1, 64]}, "claim.shape"),
    ],
)  # fmt: skip
def test_a_bound_of_another_claim_is_broken(claim: dict[str, Any], message: str, stored: Path) -> None:
    for name in ("bound.json", "certificate.json"):
        edit(stored / "found" / name, lambda found: found["claim"].update(claim))
    require_broken(judge(stored, BOUND), message)


def test_a_bound_proved_on_less_than_the_entry_asks_for_is_broken(stored: Path) -> None:
    folder = workspace(stored, BOUND, results="found")
    (folder / "lipcert.toml").write_text((folder / "lipcert.toml").read_text().replace("box:0,1", "everywhere"))
    require_broken(
        judged(folder), "about the domain box:0,1; [models.digits] asks for everywhere", "--domain everywhere"
    )


def test_slack_of_a_measured_bound_above_the_proved_one_is_a_violation(stored: Path) -> None:
    edit(stored / "found/bound.json", lambda found: found.update(lower=17.0))
    result = gated(workspace(stored, BOUND, rule("slack", limit=2), results="found"))
    assert [row.verdict for row in result.rows] == [Verdict.VIOLATED, Verdict.VIOLATED]
    assert result.exit_code == ExitCode.VIOLATED


def test_exponents_that_would_fill_the_memory_are_only_compared(stored: Path) -> None:
    edit(stored / "found/bound.json", lambda found: found.update(product="9e+999999999"))
    assert judge(stored, BOUND).verdict == Verdict.PASSED
    for name in ("bound.json", "certificate.json"):
        edit(stored / "found" / name, lambda found: found.update(upper="9e+999999999"))
    require_broken(judge(stored, BOUND), "no proof's")
