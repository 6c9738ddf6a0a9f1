"""A report, opened in a browser: what it does under a hand, at every width, in both themes, and on paper."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from lipcert.reports.html import render
from tests.browser import real, sample
from tests.browser.conftest import DESK, PHONE, Open

pytestmark = pytest.mark.browser

A4 = (673, 1000)
"""Pixels between the margins of a sheet."""


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        pages = real.write(folder, patch)
    path = folder / "sample.html"
    path.write_text(render(sample.report()), encoding="utf-8")
    return pages | {"sample": path}


@pytest.fixture
def file(files: dict[str, Path]) -> Path:
    return files["sample"]


@pytest.fixture(params=["sample", "report", "comparison"])
def each(request: pytest.FixtureRequest, files: dict[str, Path]) -> Path:
    return files[request.param]


def test_it_says_nothing_to_the_console_and_asks_nobody(opened: Open, each: Path) -> None:
    found = opened(each)
    found.page.wait_for_load_state("networkidle")
    assert found.said == []
    assert [address for address in found.asked if not address.startswith("data:")] == []


def test_hostile_words_are_shown_and_do_nothing(opened: Open, file: Path) -> None:
    page = opened(file, before="window.alert = () => { window.owned = true; }").page
    expect(page.locator("#hostile > p").first).to_have_text(sample.HOSTILE)
    assert page.evaluate("window.owned") is None
    assert page.locator("img").count() == 0


def test_a_script_that_is_not_ours_is_refused(opened: Open, file: Path) -> None:
    """The policy holds, should escaping ever fail."""
    found = opened(file)
    found.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.owned = 1'}))"
    )
    found.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.org/x.png\">')")
    assert found.page.evaluate("window.owned") is None
    assert any("Content Security Policy" in line for line in found.said)


def test_a_column_of_numbers_sorts_up_down_and_back(opened: Open, file: Path) -> None:
    table = _table(opened(file).page, "What every layer adds")
    before = _column(table, 4)
    _press(table, "gain to here")
    assert _column(table, 4) == ["1", "1", "4.32968", "6.3909", "10^264"]
    assert table.locator("th[aria-sort=ascending]").inner_text() == "gain to here"
    _press(table, "gain to here")
    assert _column(table, 4) == ["10^264", "6.3909", "4.32968", "1", "1"]
    _press(table, "gain to here")
    assert _column(table, 4) == before
    assert table.locator("th[aria-sort=none]").count() == 5


def test_equal_rows_keep_their_order(opened: Open, file: Path) -> None:
    table = _table(opened(file).page, "What every layer adds")
    _press(table, "operation")
    assert _column(table, 1) == ["layers.9", "layers.11", "layers.13", "layers.10", "layers.12"]
    _press(table, "operation")
    assert _column(table, 1) == ["layers.10", "layers.12", "layers.9", "layers.11", "layers.13"]


def test_words_sort_by_the_numbers_in_them_too(opened: Open, file: Path) -> None:
    page = opened(file).page
    page.locator("summary").click()
    table = _table(page, "Activations of every layer")
    _press(table, "layer")
    _press(table, "layer")
    assert _column(table, 1)[:2] == [f"transformer.blocks.{n}.attention.output_projection" for n in (59, 58)]


def test_what_has_no_number_comes_last_up_and_down(opened: Open, file: Path) -> None:
    page = opened(file).page
    short, hostile = _table(page, "Accuracy and what"), _table(page, "<script>")
    for order in (["14.0%", "41.0%", "68.0%", ""], ["68.0%", "41.0%", "14.0%", ""]):
        _press(short, "certified")
        assert _column(short, 4) == order
    _press(hostile, "number 0")
    assert [text[:5] for text in _column(hostile, 3)] == ["−10^1", "1.234", "not a"]


def test_the_keyboard_sorts_and_reaches_what_scrolls(opened: Open, file: Path) -> None:
    page = opened(file).page
    page.locator("#layers .scroll").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "layer"
    for key, order in (("Enter", "ascending"), ("Space", "descending")):
        page.keyboard.press(key)
        expect(page.locator("#layers th[scope=col]").first).to_have_attribute("aria-sort", order)
    assert _column(_table(page, "What every layer adds"), 1)[0] == "layers.13"


@pytest.mark.parametrize(("theme", "other"), [("light", "dark"), ("dark", "light")])
def test_the_theme_is_the_readers_and_is_remembered(opened: Open, file: Path, theme: str, other: str) -> None:
    page = opened(file, theme=theme).page
    assert _is_dark(page) == (theme == "dark")
    page.get_by_role("button", name=f"{other.capitalize()} theme").click()
    assert _is_dark(page) == (other == "dark")
    page.wait_for_timeout(500)  # the process of the next page gets what this one stored, in a while
    page.reload()
    assert _is_dark(page) == (other == "dark")
    page.get_by_role("button", name=f"{theme.capitalize()} theme").click()
    assert _is_dark(page) == (theme == "dark")


def test_the_theme_changes_without_a_memory(opened: Open, file: Path) -> None:
    broken = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    found = opened(file, before=broken)
    found.page.get_by_role("button", name="Dark theme").click()
    assert _is_dark(found.page)
    assert found.said == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK])
def test_axe_finds_no_fault(opened: Open, each: Path, theme: str, size: tuple[int, int]) -> None:
    page = opened(each, size=size, theme=theme).page
    _unfold(page)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("size", [PHONE, (768, 1000), DESK])
def test_the_page_never_scrolls_sideways(opened: Open, each: Path, size: tuple[int, int]) -> None:
    page = opened(each, size=size).page
    _unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_words_in_figures_are_large_enough_to_read(opened: Open, each: Path, size: tuple[int, int]) -> None:
    high = "texts => Math.min(...texts.map(text => text.getBoundingClientRect().height))"
    assert opened(each, size=size).page.locator(".picture svg > g text:not(:has(tspan))").evaluate_all(high) >= 9


def test_prose_is_of_a_readable_width(opened: Open, file: Path) -> None:
    wide = (
        opened(file).page.locator(".sections p").evaluate_all("all => Math.max(...all.map(each => each.clientWidth))")
    )
    assert 500 < wide < 750


def test_it_prints_on_several_sheets(opened: Open, each: Path) -> None:
    printed = opened(each).page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 1
    assert b"/MediaBox [0 0 594" in printed or b"/MediaBox [0 0 595" in printed  # A4


def test_nothing_is_cut_on_paper_or_folded(opened: Open, each: Path) -> None:
    page = opened(each, size=A4, theme="dark").page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == A4[0]
    boxes = page.locator(".scroll").evaluate_all(
        "all => all.filter(each => each.scrollWidth > each.clientWidth).length"
    )
    assert boxes == 0
    assert not _is_dark(page)
    expect(page.locator("#theme-1")).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


def test_the_contents_lead_to_every_section(opened: Open, each: Path) -> None:
    page = opened(each).page
    links = page.get_by_role("navigation").get_by_role("link")
    places = []
    for link in links.all():
        link.click()
        places.append(page.evaluate("scrollY"))
    assert len(places) == page.locator("section").count()
    assert all(one <= next_one for one, next_one in pairwise(places))
    assert places[0] < places[-1]


def _table(page: Page, caption: str) -> Locator:
    return page.get_by_role("table", name=caption)


def _press(table: Locator, name: str) -> None:
    table.get_by_role("button", name=name).last.click()


def _column(table: Locator, number: int) -> list[str]:
    return table.locator(f"tbody tr > :nth-child({number}) .said").all_inner_texts()


def _unfold(page: Page) -> None:
    for summary in page.locator("summary").all():
        summary.click()


def _is_dark(page: Page) -> bool:
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", paper)[:3])) < 3 * 128
