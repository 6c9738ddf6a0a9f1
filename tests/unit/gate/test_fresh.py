"""For each quantity and each kind of limit: what must pass does, and what must fail does. All is computed."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lipcert.errors import ExitCode
from lipcert.gates.result import GateResult, Verdict
from lipcert.reports.quantities import QUANTITIES
from tests.unit.gate.made import edit, gated, rule, workspace


class Case(NamedTuple):
    """good: a limit that the network meets; bad: one that it does not. keys: of the rule."""

    good: Any
    bad: Any
    keys: dict[str, Any]


CASES = {
    "bound": Case(16, 15.7, {}),
    "slack": Case(10, 1, {}),
    "accuracy": Case(0.97, 0.98, {"examples": 360}),
    "attacked-accuracy": Case(0.5, 0.7, {"eps": "1/2"}),
    "certified-accuracy": Case(0.01, 0.2, {"eps": "1/2"}),
    "accuracy-drop": Case(0.5, 0.3, {"eps": "1/2"}),
    "largest-activation": Case(14, 12, {"examples": 360}),
}
PROVED = ("bound", "certified-accuracy")


def rules(kind: str, *, bad: bool = False, tolerance: str = "") -> list[str]:
    return [
        rule(name, **{kind: tolerance or (case.bad if bad else case.good)}, **case.keys) for name, case in CASES.items()
    ]


def verdicts(result: GateResult) -> dict[str, str]:
    return {row.rule.quantity: str(row.verdict) for row in result.rows}


def test_there_is_a_case_for_each_quantity() -> None:
    assert list(CASES) == list(QUANTITIES)


def test_every_limit_that_is_met_passes(tmp_path: Path) -> None:
    result = gated(workspace(tmp_path, *rules("limit")))
    assert verdicts(result) == dict.fromkeys(CASES, Verdict.PASSED), [row.message for row in result.rows]
    assert result.passed
    for row in result.rows:
        assert row.reading is not None
        assert row.reading.source == "computed"
        assert row.reading.standing == ("proved" if row.rule.quantity in PROVED else "measured")


def test_every_limit_that_is_not_met_fails(tmp_path: Path) -> None:
    result = gated(workspace(tmp_path, *rules("limit", bad=True)))
    assert verdicts(result) == dict.fromkeys(CASES, Verdict.FAILED), [row.message for row in result.rows]
    assert result.exit_code == ExitCode.GATE


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with rules against a baseline that has just been written."""
    folder = workspace(tmp_path_factory.mktemp("baseline"), *rules("tolerance", tolerance="1%"))
    written = gated(folder, update_baseline=True)
    assert written.updated == folder / "gate-baseline.json"
    assert verdicts(written) == dict.fromkeys(CASES, Verdict.PASSED)
    return folder


def better(found: dict[str, Any], by: str) -> None:
    """The baseline, as if the network had once been better by a share; the slack, as if nobody had measured it."""
    for each in found["rules"]:
        lower = QUANTITIES[each["quantity"]].better == "lower"
        each["value"] = f"{Decimal(each['value']) / Decimal(by) if lower else Decimal(each['value']) * Decimal(by):.9e}"
    found["rules"][1]["value"] = "5e-1"


def test_a_baseline_is_met_within_the_tolerance_and_not_beyond(baseline: Path) -> None:
    path, kept = baseline / "gate-baseline.json", (baseline / "gate-baseline.json").read_text()
    edit(path, lambda found: found["rules"][1].update(value="1e+1"))  # what is measured depends on the time there is
    assert verdicts(gated(baseline)) == dict.fromkeys(CASES, Verdict.PASSED)
    edit(path, lambda found: better(found, "1.2"))
    result = gated(baseline)
    assert verdicts(result) == dict.fromkeys(CASES, Verdict.FAILED), [row.message for row in result.rows]
    path.write_text(kept)


def test_a_tolerance_in_units_is_held(baseline: Path) -> None:
    text = "".join(rules("tolerance", tolerance="0.001"))
    head = (baseline / "lipcert.toml").read_text().partition("\n[[gate]]")[0]
    path, kept = baseline / "gate-baseline.json", (baseline / "gate-baseline.json").read_text()
    (baseline / "lipcert.toml").write_text(head + text)
    edit(path, lambda found: better(found, "1.2"))
    assert verdicts(gated(baseline)) == dict.fromkeys(CASES, Verdict.FAILED)
    path.write_text(kept)


def test_one_worse_network_after_the_baseline_fails(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    texts = [rule(name, tolerance="40%", **CASES[name].keys) for name in ("bound", "largest-activation")]
    folder = workspace(tmp_path, *texts)
    assert gated(folder, update_baseline=True).passed
    assert gated(folder).passed
    with safe_open(folder / "digits.safetensors", "pt") as file:
        weights, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    worse = {name: 1.5 * value if value.dim() > 1 else value for name, value in weights.items()}
    save_file(worse, folder / "digits.safetensors", about)
    assert verdicts(gated(folder)) == {"bound": Verdict.FAILED, "largest-activation": Verdict.FAILED}


def test_the_baseline_is_not_written_where_a_rule_is_broken(tmp_path: Path) -> None:
    head = '\nversion = 1\n[models.digits]\npath = "digits.safetensors"\ndomain = "box:0,1"\n'
    folder = workspace(tmp_path, rule("bound", tolerance="1%"), rule("accuracy", limit=0.5), head=head)
    result = gated(folder, update_baseline=True)
    assert verdicts(result) == {"bound": Verdict.PASSED, "accuracy": Verdict.BROKEN}
    assert result.updated is None
    assert not (folder / "gate-baseline.json").exists()
    assert result.exit_code == ExitCode.INPUT


def test_what_is_computed_serves_every_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lipcert.gates import fresh

    calls: list[str] = []
    for name in ("prove_bound", "attacked", "certified"):
        real = getattr(fresh, name)
        monkeypatch.setattr(
            fresh, name, lambda *given, name=name, real=real, **more: (calls.append(name), real(*given, **more))[1]
        )
    texts = [rule("bound", limit=16), rule("slack", limit=2)]
    texts += [rule(name, eps=eps, limit=0.5) for eps in ("1/10", "1/2") for name in list(CASES)[3:6]]
    result = gated(workspace(tmp_path, *texts))
    assert len(result.rows) == 8
    assert calls == ["prove_bound", "attacked"]


def test_certified_accuracy_alone_needs_no_attack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lipcert.gates import fresh

    monkeypatch.setattr(fresh, "attacked", None)
    result = gated(workspace(tmp_path, rule("certified-accuracy", eps="1/10", limit=0.5)))
    assert result.passed


def test_a_result_reads_as_its_schema_says(tmp_path: Path) -> None:
    from lipcert.store.schema import read_json

    result = gated(workspace(tmp_path / "a", rule("bound", limit=16), rule("accuracy", limit=1)))
    (tmp_path / "gate.json").write_text(json.dumps(result.to_json()))
    found = read_json(tmp_path / "gate.json", "gate")
    assert [each["verdict"] for each in found["rules"]] == ["passed", "passed"]
