"""A report as one HTML file that fetches nothing: styles, script and figures are inside; the page forbids others."""

import base64
import hashlib
import re
from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lipcert.reports.content import Picture, Report, Table, Text
from lipcert.reports.figures.svg import fit, inline_svg

# A word that may not fit in a line, and where it may go on in the next: at the joints of a path, and within a hash.
_WORD = re.compile(r"\S{25,}")
_JOINT = re.compile(r"(?<=[^\W\d][._/:=])(?=\w)|(?<=[._/:=])(?=[^\W\d])|(?<=_)(?=\w)")
_RUN = re.compile(r"\w{24}(?=\w{4})")
_NAME = re.compile(r"\S{1,24}")
_CODE = re.compile(r"`([^`]+)`")
_GAP = 3
"""Letters that fit between two columns."""


def render(report: Report) -> str:
    """The whole file, the same bytes whenever."""
    pages = _pages()
    style, script = (_source(pages, name) for name in ("report.css", "report.js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    inside = {"style": Markup(style), "script": Markup(script), "policy": policy}
    return pages.get_template("report.html.j2").render(report=report, **inside)


def _pages() -> Environment:
    pages = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pages.loader = PackageLoader("lipcert.reports")
    pages.filters |= {"fit": fit, "breakable": _breakable, "prose": _prose, "whole": _whole, "svg": _svg}
    pages.tests |= {"text": _is(Text), "table": _is(Table), "picture": _is(Picture), "share": _share}
    pages.tests |= {"wider": _wider, "name": _NAME.fullmatch}
    return pages


def _marked(text: str) -> str:
    """With a NUL where long words may break."""
    return _WORD.sub(lambda word: _RUN.sub("\\g<0>\0", _JOINT.sub("\0", word[0])), fit(text))


def _breakable(text: str) -> Markup:
    """The text, escaped, with places to break long words at, which leave nothing behind when it is copied."""
    return Markup("<wbr>").join(escape(part) for part in _marked(text).split("\0"))


def _prose(text: str) -> Markup:
    """The same, with code between two backticks; one alone is a backtick."""
    parts = _CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(_breakable(part)) if place % 2 else _breakable(part)
        for place, part in enumerate(parts)
    )


def _whole(text: str) -> Markup:
    """Code, escaped: a line of it breaks between words, not after the dashes of a flag."""
    parts = re.split(r"(\s+)", fit(text))
    return Markup("").join(Markup("<span>{}</span>").format(part) if part.strip() else part for part in parts)


def _svg(picture: Picture) -> Markup:
    return Markup(inline_svg(picture))


def _share(value: float | None) -> bool:
    """Whether it can be drawn as a bar."""
    return value is not None and 0 <= value <= 1


def _wider(table: Table, letters: int) -> bool:
    """Whether it needs more than so many letters in a line, if no more words are broken."""
    heads = [column.name for column in table.columns]
    columns = zip(heads, *([cell.text for cell in row] for row in table.rows), strict=True)
    return sum(_GAP + max(map(_longest, column)) for column in columns) > letters


def _longest(text: str) -> int:
    """Letters of the longest word."""
    return max(map(len, re.split(r"[\s\0]", _marked(text))))


def _is(kind: type) -> Callable[[object], bool]:
    return lambda item: isinstance(item, kind)


def _source(pages: Environment, name: str) -> str:
    assert pages.loader is not None
    return pages.loader.get_source(pages, name)[0]


def _hash(source: str) -> str:
    """As a Content-Security-Policy names what stands between <style> and </style>."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
