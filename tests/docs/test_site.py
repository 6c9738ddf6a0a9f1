"""The site of the docs builds without a warning, says what the tables say, and fetches nothing."""

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from lipcert.errors import ExitCode
from lipcert.rules.pointwise import POINTWISE
from lipcert.rules.regions.table import METHODS
from lipcert.rules.table import RULES
from lipcert.training.constraints.table import CONSTRAINTS
from tests.docs.pages import ROOT

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
"""Tags whose attribute makes a browser fetch something."""


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from generate import rules

    return rules


def test_the_readme_has_the_exit_codes() -> None:
    table = re.findall(
        r"^\| (\d+) \| (\w+) \| (.+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert table == [(str(code.value), code.name.lower(), code.means) for code in ExitCode]


@pytest.mark.parametrize("name", RULES)
def test_a_page_of_a_rule_states_its_theorem(name: str, rules: ModuleType) -> None:
    page = rules.page(name, RULES[name], ["aten.example"])
    assert page.startswith(f"# {name}\n\n**")
    assert "## Gain" in page


def test_a_rule_without_a_theorem_has_no_page(rules: ModuleType) -> None:
    def gain(*given: object) -> None:
        """Nothing is argued here."""

    for rule in (replace(RULES["sum"], gain=gain), replace(RULES["sum"], source="")):
        with pytest.raises(ValueError, match="'mine' has no theorem"):
            rules.page("mine", rule, [])


class _Fetched(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if value and name == LOADED.get(tag)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "-n",
        "--keep-going",
        "-b",
        "html",
        "docs",
        str(folder / "html"),
    ]
    built = subprocess.run(
        [*command, "-d", str(folder / "trees")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return folder / "html"


@pytest.mark.slow
def test_a_reader_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        found = _Fetched()
        found.feed(page.read_text(encoding="utf-8"))
        assert [each for each in found.addresses if re.match(r"(\w+:)?//", each)] == [], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()[\s'\"]*(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


@pytest.mark.slow
def test_every_line_of_the_tables_is_on_the_site(site: Path) -> None:
    theory = site / "generated" / "theory"
    assert all((theory / f"{name}.html").is_file() for name in RULES)
    for page, names in (("functions", POINTWISE), ("regions", METHODS), ("training", CONSTRAINTS)):
        text = (theory / f"{page}.html").read_text(encoding="utf-8")
        assert all(f"<h2>{name}<a" in text for name in names)
    schemas = {path.name.removesuffix(".schema.json") for path in (ROOT / "lipcert/store/schemas").glob("*.json")}
    assert {path.stem for path in (site / "generated" / "schemas").glob("*.html")} == schemas | {"index"}
