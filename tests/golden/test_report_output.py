"""The Markdown of a report and of a comparison, compared with files kept here."""

from pathlib import Path

import pytest

from lipcert.reports.markdown import render
from lipcert.reports.record import Record, read_record
from lipcert.reports.sections import describe
from tests.unit.reports import made

HERE = Path(__file__).parent


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    monkeypatch.chdir(tmp_path)
    made.run(Path("small"))
    made.run(Path("large"), trained=False, upper="6.0", log10_upper=0.7782, weights_sha256={"a.weight": made.HASH})
    return [read_record(Path(name)) for name in ("small", "large")]


@pytest.mark.parametrize("name", ["report", "compare"])
def test_the_markdown(name: str, pair: list[Record]) -> None:
    records = pair if name == "compare" else pair[:1]
    looked = {"small": "net.safetensors still holds exactly these weights."}
    text = render(describe(records, title=name, looked=looked, baseline="small" if name == "compare" else ""))
    assert text == (HERE / f"{name}.md").read_text(encoding="utf-8")
