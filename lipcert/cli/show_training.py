"""What a training run shows: a bar while it goes on, lines where no terminal is, and what came out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from lipcert.cli.screen import console, watched
from lipcert.cli.show import show_json

if TYPE_CHECKING:
    from lipcert.bounds.result import Bound
    from lipcert.training.api import Trained
    from lipcert.training.metrics import Row
    from lipcert.training.promise import Promise
    from lipcert.training.session import Session


class Display:
    """The bar of a run and, at every evaluation, a line that stays."""

    def __init__(self, bar: Progress) -> None:
        self._bar, self._task = bar, bar.add_task("", total=None)
        self._validation, self._bound = "", ""

    def begin(self, session: "Session", done: int) -> None:
        """What is trained, and what is promised."""
        recipe, promised = session.recipe, session.promise
        self._bar.update(self._task, total=recipe.steps, completed=done)
        weights = sum(parameter.numel() for parameter in session.model.parameters())
        where = f"{session.device}" + (f", {session.ranks.world} processes" if session.ranks.world > 1 else "")
        what = f"{recipe.model}, {weights:,} weights, {session.task.name}, {where} → {recipe.out}"
        self._bar.print(Text(what), soft_wrap=True)
        if recipe.constraint != "none":
            word, style = _guarantee(promised)
            kind = f"{recipe.optimizer} + {recipe.constraint}"
            self._bar.print(Text(word, style=f"bold {style}") + Text(f"  {kind}: {promised.why}"))

    def row(self, row: "Row") -> None:
        if row.log10_bound is not None:
            self._bound = f", bound {power(row.log10_bound)}"
        if row.validation_loss is not None and row.validation_accuracy is not None:
            self._validation = f" validation {row.validation_loss:.3f}, {row.validation_accuracy:.1%} right"
            bound = "" if row.log10_bound is None else self._bound
            self._bar.print(Text(f"step {row.step}: loss {row.loss:.3f},{self._validation}{bound}"))
        right = "" if row.accuracy is None else f", {row.accuracy:.1%} right"
        now = f"loss {row.loss:.3f}{right}{self._validation}{self._bound} {row.tokens_per_second:,.0f}/s"
        self._bar.update(self._task, completed=row.step, description=now)


@contextmanager
def display() -> Iterator[Display]:
    """A bar on stderr, gone when the run ends, and none where no terminal is; the lines stay."""
    columns = (
        TextColumn("{task.completed}/{task.total}"), BarColumn(20), TimeElapsedColumn(), TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )  # fmt: skip
    screen = console(stderr=True, detail=True)
    with Progress(*columns, console=screen, transient=True, disable=not watched()) as bar:
        yield Display(bar)


def power(log10: float) -> str:
    """A bound as people read it."""
    return f"{10**log10:.4g}" if log10 < 6 else f"10^{log10:.1f}"


def show_trained(found: "Trained", *, as_json: bool) -> None:
    """What came out of a run that was finished."""
    if as_json:
        show_json(_json(found))
        return
    screen, details = console(), console(detail=True)
    if found.guarantee.capped:
        word, style = _guarantee(found.guarantee)
        screen.print(Text(f"{word:<16}", style=f"bold {style}") + Text(found.guarantee.why))
    if found.outcome is not None:
        quality, bound = found.outcome
        screen.print(Text(f"validation      loss {quality.loss:.4f}, {quality.accuracy:.2%} right"))
        screen.print(_unbounded() if bound is None else _bounded(bound))
    details.print(Text(f"checkpoint      {found.checkpoint}"), soft_wrap=True)
    again = f"bound it        lipcert bound {found.checkpoint}{_as_here(found)}"
    details.print(Text(again, style="dim"), soft_wrap=True)


def _as_here(found: "Trained") -> str:
    """The flags by which `lipcert bound` proves the same claim."""
    if found.outcome is None or found.outcome.bound is None:
        return ""
    claim = found.outcome.bound.claim
    return f" --norm {claim.norm} --domain {claim.domain}"


def _bounded(bound: "Bound") -> Text:
    from lipcert.bounds.result import sentence

    claim = sentence(bound.claim, bound.upper, bound.log10_upper)
    measured = f"\nmeasured        at least {bound.lower:.6g}"
    return Text(f"{'proved':<16}", style="bold green") + Text(claim + measured, style="not bold default")


def _unbounded() -> Text:
    return Text(f"{'unsupported':<16}", style="bold red") + Text("no finite bound; `lipcert bound` says why")


def _guarantee(promised: "Promise") -> tuple[str, str]:
    """The word, and its colour."""
    return ("guaranteed", "green") if promised.holds else ("unguaranteed", "yellow")


def _json(found: "Trained") -> dict[str, Any]:
    quality, bound = found.outcome or (None, None)
    return {
        "checkpoint": str(found.checkpoint),
        "finished": found.finished,
        "validation_loss": quality and quality.loss,
        "validation_accuracy": quality and quality.accuracy,
        "guaranteed": found.guarantee.holds,
        "why": found.guarantee.why,
        "bound": None if bound is None else bound.to_json(),
    }
