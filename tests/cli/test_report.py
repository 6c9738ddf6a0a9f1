"""`lipcert report` and `lipcert compare` as a person runs them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lipcert
from lipcert.cli.main import app
from lipcert.errors import OutputError, ViolationError
from tests.unit.reports import made

OTHER = {"a.weight": made.HASH[::-1]}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two networks, of which `large` has twice the bound."""
    monkeypatch.chdir(tmp_path)
    made.run(Path("small"), trained=False)
    made.run(Path("large"), trained=False, upper="6.0", log10_upper=0.7782, weights_sha256=OTHER)
    return tmp_path


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("here")
def test_a_report_says_what_it_wrote_and_the_verdict() -> None:
    output = invoke("report", "small", "--title", "A small one")
    assert "verdict: 1 proved, 4 upheld" in output
    assert f"written  {Path('small/report.html')}" in output
    assert Path("small/report.md").read_text(encoding="utf-8").startswith("# A small one\n")
    refused = CliRunner().invoke(app, ["report", "small"])
    assert isinstance(refused.exception, OutputError)
    invoke("report", "small", "--force")


@pytest.mark.usefixtures("here")
def test_a_comparison_is_a_table_and_writes_nothing_unasked() -> None:
    output = invoke("compare", "small", "large", "--baseline", "small")
    assert "REGRESSION: worse by a factor of 2.00" in output
    assert sorted(path.name for path in Path().iterdir()) == ["large", "small"]
    assert "small is worse" not in output
    assert "nothing that compares is worse than large" in invoke("compare", "small", "large", "--baseline", "large")
    assert "REGRESSION" not in invoke("compare", "small", "large")


@pytest.mark.usefixtures("here")
def test_a_comparison_with_out_is_a_report() -> None:
    assert "written" in invoke("compare", "small", "large", "--out", "both")
    assert "Side by side" in Path("both/report.md").read_text(encoding="utf-8")
    assert Path("both/figures/tradeoff.svg").is_file()


@pytest.mark.usefixtures("here")
def test_json_is_all_that_machines_get() -> None:
    found = json.loads(invoke("compare", "small", "large", "--baseline", "small", "--json"))
    assert [model["name"] for model in found["models"]] == ["small", "large"]
    assert "large: proved bound is worse by a factor of 2.00" in found["regressions"]


@pytest.mark.usefixtures("here")
def test_a_third_network_gets_its_regressions_in_words() -> None:
    made.run(Path("larger"), trained=False, upper="9.0", log10_upper=0.9543, weights_sha256=OTHER)
    output = invoke("compare", "small", "large", "larger", "--baseline", "small")
    assert "larger: proved bound is worse by a factor of 3.00" in " ".join(output.split())


@pytest.mark.usefixtures("here")
def test_a_violation_has_its_exit_code() -> None:
    made.run(Path("broken"), trained=False, lower=4.0)
    result = CliRunner().invoke(app, ["report", "broken"])
    assert isinstance(result.exception, ViolationError)
    assert Path("broken/report.html").is_file()


@pytest.mark.usefixtures("here")
def test_python_has_the_same_names() -> None:
    assert lipcert.report("small").is_file()
    assert lipcert.compare(["small", "large"], baseline="small").regressions
