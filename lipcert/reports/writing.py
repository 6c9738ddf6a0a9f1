"""A report as files: rendered in memory, then written, whole or not at all."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lipcert.reports import html, markdown
from lipcert.reports.content import Picture, Report
from lipcert.reports.figures.kept import replace_figures
from lipcert.reports.figures.style import encode, looks
from lipcert.store.atomic import require_free, write_text
from lipcert.store.lock import locked

PAGE, TEXT = "report.html", "report.md"

Say = Callable[[str], None]


def write_report(make: Callable[[], Report], out: Path, *, force: bool, say: Say) -> tuple[Report, Path]:
    """The report that `make` gives, and the path of report.html; beside it report.md, and figures/ as SVG and PNG.

    Raises OutputError where another lipcert writes there, or one of the files exists and `force` is not given; then
    nothing is written. With `force`, figures that an earlier report left and this one has not are removed. What
    matplotlib warns of is said.
    """
    with locked(out):
        for name in (PAGE, TEXT):
            require_free(out / name, overwrite=force)
        with _drawing(say):
            report = make()
            pictures = [item for section in report.sections for item in section.items if isinstance(item, Picture)]
            for name in (f"{each.name}.{ending}" for each in pictures for ending in ("svg", "png")):
                require_free(out / markdown.FIGURES / name, overwrite=force)
            page, text, figures = html.render(report), markdown.render(report), _figures(pictures)
        replace_figures(out / markdown.FIGURES, figures, overwrite=force, say=say)
        for name, content in ((TEXT, text), (PAGE, page)):  # the page last: where it is, all is
            write_text(out / name, content, overwrite=force)
    return report, out / PAGE


def _figures(pictures: list[Picture]) -> dict[str, bytes]:
    return {name: content for each in pictures for name, content in encode(each.figure, each.name).items()}


@contextmanager
def _drawing(say: Say) -> Iterator[None]:
    """Looks that depend on no machine. A letter that the font lacks, and the like, stops nothing and is told."""
    with looks(), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
    for message in dict.fromkeys(str(each.message) for each in seen):
        say(f"warning: {message}")
