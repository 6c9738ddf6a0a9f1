import re

import pytest

from lipcert.reports.content import Picture
from lipcert.reports.figures.style import COLOURS, panels
from lipcert.reports.figures.svg import DARK, LIGHT, contrast, inline_svg
from tests.browser import sample

PAIR = re.compile(r'(?:light-dark\((#\w{6}), (#\w{6})\)|"(#\w{6})")')


def picture(name: str = "one", alt: str = "Bars.", **look: object) -> Picture:
    figure, (axis,) = panels(1, 1)
    axis.plot([0, 1], [0, 1], **{"color": "black"} | look)
    return Picture(name, figure, "A line.", alt)


def test_it_is_the_same_bytes_whenever_also_of_a_figure_drawn_twice() -> None:
    one = picture()
    assert inline_svg(one) == inline_svg(one) == inline_svg(picture())


def test_it_is_an_image_with_a_name_and_nothing_about_who_drew_it() -> None:
    svg = inline_svg(picture(alt='<b> & "two"'))
    assert svg.startswith("<svg ")
    assert 'role="img" aria-label="&lt;b&gt; &amp; &quot;two&quot;"' in svg
    for left_out in ("<?xml", "<!DOCTYPE", "<metadata", "<style", "<title", "style=", "xlink", "http://matplotlib"):
        assert left_out not in svg


def test_two_figures_share_no_ids() -> None:
    found = [set(re.findall(r' id="([^"]*)"', inline_svg(picture(name)))) for name in ("one", "two")]
    assert all(found)
    assert found[0].isdisjoint(found[1])


def test_ids_that_nothing_refers_to_are_left_out() -> None:
    svg = inline_svg(Picture("bars", sample.figure(), "", ""))
    ids = re.findall(r' id="([^"]*)"', svg)
    assert set(ids) == {*re.findall(r"url\(#([^)]*)\)", svg), *re.findall(r' href="#([^"]*)"', svg)}


def test_words_stay_words_in_the_font_of_the_page() -> None:
    figure, (axis,) = panels(1, 1)
    axis.set(title="proved ≤ 2, 证明 \x00<b>", xlabel="eps (l2)")
    svg = inline_svg(Picture("words", figure, "", ""))
    assert ">proved ≤ 2, 证明 \N{REPLACEMENT CHARACTER}&lt;b&gt;</text>" in svg
    assert ">eps (l2)</text>" in svg
    assert "font-family" not in svg


@pytest.mark.parametrize("colour", [c for c in COLOURS if c != "#000000"] + ["#fde725", "#440154", "#ffff00"])
def test_every_series_stands_out_on_either_paper(colour: str) -> None:
    [found] = set(PAIR.findall(inline_svg(picture(color=colour))))
    light, dark = (found[0], found[1]) if found[0] else (found[2], found[2])
    assert contrast(light, LIGHT) >= 3
    assert contrast(dark, DARK) >= 4.5


def test_series_stay_apart_on_either_paper() -> None:
    found = [PAIR.findall(inline_svg(picture(color=colour)))[0] for colour in COLOURS if colour != "#000000"]
    for theme in (0, 1):
        assert len({each[theme] or each[2] for each in found}) == len(found)


def test_greys_are_ink_on_paper() -> None:
    svg = inline_svg(picture(color="#cccccc"))
    assert 'stroke="color-mix(in srgb, currentColor 20%, var(--paper))"' in svg
    assert 'stroke="currentColor"' in svg
    assert "#000000" not in svg
    assert "#ffffff" not in svg


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
