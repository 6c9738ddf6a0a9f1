"""What a workflow of GitHub Actions reads: an annotation a rule that has not passed, and the summary of the job."""

from lipcert.gates.result import GateResult, Row, Verdict
from lipcert.gates.words import title, why


def annotations(result: GateResult) -> list[str]:
    """A workflow command a line."""
    return [_error(result, row) for row in result.rows if row.verdict != Verdict.PASSED]


def _error(result: GateResult, row: Row) -> str:
    properties = {
        "file": result.settings.as_posix(), "line": str(row.line), "title": f"{title(row)}: {row.verdict}"
    }  # fmt: skip
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::error {told}::{_data(why(row))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
