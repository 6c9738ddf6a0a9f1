"""A report as one HTML file, read without a browser. What it does in one: tests/browser."""

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

import lipcert.reports
from lipcert.reports.content import Report, Text
from lipcert.reports.figures.svg import DARK, LIGHT, contrast
from lipcert.reports.html import render
from tests.browser import sample

CSS = (Path(lipcert.reports.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
VOID = {"meta", "link", "wbr"}


class Page(HTMLParser):
    """Its elements with their attributes, and what it says."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.said = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.said += data

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


@pytest.fixture(scope="module")
def source() -> str:
    return render(sample.report())


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_it_is_the_same_bytes_whenever(source: str) -> None:
    assert render(sample.report()) == source


def test_every_element_is_closed(page: Page) -> None:
    assert page.open == []


def test_hostile_words_stay_words(page: Page) -> None:
    tags = Counter(tag for tag, _ in page.elements)
    assert tags["script"] == 1
    assert tags["style"] == 1
    assert tags["img"] == 0
    assert page.said.count(sample.HOSTILE) >= 6
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_characters_that_turn_or_end_text_are_replaced(source: str, page: Page) -> None:
    assert not re.search("[\x00\u202a-\u202e\ud800-\udfff]", source)
    assert "moc.\N{REPLACEMENT CHARACTER}elpmaxe" in page.said
    source.encode()


def test_a_half_of_a_surrogate_pair_is_replaced() -> None:
    assert "<h1>a\N{REPLACEMENT CHARACTER}b</h1>" in render(Report("a\ud800b", (), ()))


def test_nothing_is_fetched(page: Page) -> None:
    places = page.values("href") + page.values("src") + page.values("xlink:href")
    assert [place for place in places if not place.startswith(("#", "data:"))] == []
    assert "@import" not in CSS
    assert "url(" not in CSS


def test_the_policy_lets_nothing_in_but_what_is_inside(source: str, page: Page) -> None:
    [policy] = [each["content"] for _, each in page.elements if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        [inside] = re.findall(rf"<{tag}>(.*?)</{tag}>", source, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert page.values("style") == []  # it would be refused


def test_ids_are_unique_and_what_refers_to_them_finds_them(source: str, page: Page) -> None:
    ids = page.values("id")
    assert sorted(ids) == sorted(set(ids))
    wanted = [place[1:] for place in page.values("href") if place.startswith("#")]
    wanted += re.findall(r"url\(#([^)]*)\)", source) + page.values("aria-labelledby")
    assert set(wanted) <= set(ids)


def test_only_a_share_is_drawn_as_a_bar(page: Page) -> None:
    widths = [each["width"] for tag, each in page.elements if tag == "rect" and each.get("height") == "8"]
    assert widths == ["100", "34.0", "100", "0.0", "100", "45.0", "100", "0.0", "100", "21.0"]


def test_what_is_no_number_has_no_value_to_sort_by(page: Page) -> None:
    assert "nan" not in page.values("data-value")
    assert page.values("data-value").count("-inf") == 6


def test_what_is_between_backticks_is_code_and_a_lone_one_stays() -> None:
    text = Text("`a.b` and `c")
    assert "<p><code>a.b</code> and `c</p>" in render(Report("t", (text,), ()))
    assert "<pre><code><span>`a`</span> <span>b</span></code></pre>" in render(
        Report("t", (Text("`a` b", code=True),), ())
    )


def test_long_words_may_break_and_short_ones_and_numbers_do_not() -> None:
    said = render(Report("layers.0.attention layers.0.feed_forward.down.weight 123456789012.345678901234567", (), ()))
    assert "<h1>layers.0.attention layers.<wbr>0.<wbr>feed_<wbr>forward.<wbr>down.<wbr>weight 123456" in said
    assert "9012.345" in said


PALETTE = dict(re.findall(r"--(\w+): light-dark\((#\w{6}, #\w{6})\)", CSS))


@pytest.mark.parametrize("words", ["ink", "soft", "accent", "good", "bad", "caution"])
@pytest.mark.parametrize("ground", ["paper", "tint"])
def test_words_stand_out_in_both_themes(words: str, ground: str) -> None:
    for one, other in zip(PALETTE[words].split(", "), PALETTE[ground].split(", "), strict=True):
        assert contrast(one, other) >= 4.5


def test_figures_know_the_paper() -> None:
    assert PALETTE["paper"] == f"{LIGHT}, {DARK}"
