"""A figure as SVG inside a page: it fetches nothing, clashes with no other, and reads well in the light and the dark.

Colours are said as attributes, which a page's Content-Security-Policy lets be, and as CSS that knows the page's theme:
greys are ink on paper, and what would be too faint on either paper is mixed with ink until it is not. So a shaded
region of a figure is best grey, or a colour made faint by its alpha.
"""

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from lipcert.reports.content import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIGHT, DARK = "#ffffff", "#14171b"
"""The paper, `--paper` of a page's style sheet, in either theme."""

_SVG, _HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_PIXELS = 1.5  # a point of the figure, so that its small print is of 12 pixels
_CONTRAST = {LIGHT: 3.0, DARK: 4.5}
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_COORDINATES = {"d", "x", "y"}
_DROPPED = {"font-family", "id", "style"}


def inline_svg(picture: Picture) -> str:
    """An element `<svg role="img">` as large as reads well, the same bytes whenever."""
    root = ET.fromstring(fit(_drawn(picture.figure, picture.name)))
    names = {old: f"figure:{picture.name}:{number}" for number, old in enumerate(dict.fromkeys(_used(root)))}
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib = dict(_attributes(element.attrib, names))
    _strip(root)
    wide, high = (float(each) for each in root.attrib["viewBox"].split()[2:])
    root.attrib = {
        "xmlns": _SVG[1:-1],
        "viewBox": root.attrib["viewBox"],
        "width": f"{wide * _PIXELS:.0f}",
        "height": f"{high * _PIXELS:.0f}",
        "role": "img",
        "aria-label": fit(picture.alt),
        "fill": "currentColor",
        "stroke-linejoin": "round",
    }
    return ET.tostring(root, encoding="unicode")


def fit(text: str) -> str:
    """Without what has no place in XML and HTML, and what would turn the direction of the words after it."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)


def _drawn(figure: "Figure", name: str) -> str:
    """Words stay words, in the page's font: they can be searched, and are sharp at every size."""
    import matplotlib as mpl

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # the reader's fonts will have it
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return buffer.getvalue()


def _strip(root: ET.Element) -> None:
    """Off with metadata, with style sheets, which would be of the whole page, and with space for the eye."""
    for parent in root.iter():
        parent.text, parent.tail = (text if text and text.strip() else None for text in (parent.text, parent.tail))
        for child in [each for each in parent if each.tag in ("metadata", "style")]:
            parent.remove(child)


def _used(root: ET.Element) -> Iterator[str]:
    """The ids that something refers to, in their order; as they are drawn they may differ from time to time."""
    for element in root.iter():
        for name, value in element.attrib.items():
            yield from _REFERENCE.findall(value)
            if name == _HREF and value.startswith("#"):
                yield value[1:]


def _attributes(drawn: dict[str, str], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Of an element, its style among them. names: what the ids that are used shall be."""
    parts = (part.partition(":") for part in drawn.get("style", "").split(";"))
    said = {name.strip(): value.strip() for name, _, value in parts if value}
    for name, value in (drawn | said).items():
        if name == "id" and value in names:
            yield name, names[value]
        elif name == _HREF:
            yield "href", f"#{names[value[1:]]}" if value.startswith("#") else value
        elif name in _COORDINATES:
            yield name, _LONG.sub(lambda found: f"{float(found[0]):.2f}", value)
        elif name not in _DROPPED:
            yield name, _painted(_REFERENCE.sub(lambda found: f"url(#{names[found[1]]})", value))


def _painted(value: str) -> str:
    """A colour as CSS for both themes; all else as it is."""
    if not _COLOUR.fullmatch(value):
        return value
    red, green, blue = _channels(value)
    if red == green == blue:
        ink = round(100 * (1 - red / 255))
        return "currentColor" if ink == 100 else f"color-mix(in srgb, currentColor {ink}%, var(--paper))"
    light, dark = _readable(value, LIGHT), _readable(value, DARK)
    return value if light == dark else f"light-dark({light}, {dark})"


def _readable(colour: str, paper: str) -> str:
    """Mixed with black, or white, until it stands out from the paper."""
    ink = 0 if paper == LIGHT else 255
    for share in range(0, 101, 4):
        mixed = "#" + "".join(f"{each + (ink - each) * share // 100:02x}" for each in _channels(colour))
        if contrast(mixed, paper) >= _CONTRAST[paper]:
            return mixed
    raise AssertionError(f"black on white and white on black stand out, and so {colour} does on {paper}")


def contrast(one: str, other: str) -> float:
    """From 1 to 21, of two colours #rrggbb: WCAG 2.2, contrast ratio."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    shares = [each / 255 for each in _channels(colour)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
