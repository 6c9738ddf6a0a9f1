"""What commands print: tables through rich, progress on stderr, JSON for machines."""

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from flint import arb

    from lipcert.bounds.layers import Layer
    from lipcert.bounds.result import Bound

_NARROWEST = 100


def console(*, stderr: bool = False) -> Console:
    """A console that is wide enough for the tables where there is no terminal to ask."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=max(found.width, _NARROWEST))


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr with what is being done, gone when it is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda doing, done, total: bar.update(task, description=doing, completed=done, total=total or None)


def show_bound(result: "Bound", path: Path, certificate: Path | None, *, as_json: bool) -> None:
    """Print a bound: the layers, the regions, the whole."""
    if as_json:
        json.dump(result.to_json(), sys.stdout, indent=1, allow_nan=False)
        sys.stdout.write("\n")
        return
    screen = console()
    screen.print(_blocks(result, path) if result.blocks else _layers(result, path))
    for line in _summary(result):
        screen.print(line)
    if certificate is not None:
        screen.print(Text(f"certificate     {certificate}"), soft_wrap=True)
        screen.print(Text(f"prove it again  lipcert verify {certificate} {path}", style="dim"), soft_wrap=True)


def _blocks(result: "Bound", path: Path) -> Table:
    """What every path of a block adds by its own bound, and the block as a whole."""
    from lipcert.bounds.blocks import PATHS

    table = Table(title=Text(f"{path}, {result.claim.norm}"), title_justify="left", title_style="bold")
    table.add_column("block", overflow="fold")
    used = [name for name in PATHS if any(name in block.paths for block in result.blocks)]
    for name in (*used, "step", "gain to here", "share"):
        table.add_column(name, justify="right")
    for block in result.blocks:
        numbers = [block.paths.get(name) for name in used] + [block.step, block.gain]
        cells = [block.path or block.operation, *map(_number, numbers)]
        cells.append("" if block.share is None else f"{block.share:.0%}")
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _number(value: "arb | None") -> str:
    from lipcert.bounds.result import show
    from lipcert.norms import ball

    return "" if value is None else show(ball.up(value), ball.log10(value))


def _layers(result: "Bound", path: Path) -> Table:
    table = Table(title=Text(f"{path}, {result.claim.norm}"), title_justify="left", title_style="bold")
    table.add_column("layer", overflow="fold")
    table.add_column("operation")
    for name in ("shape", "estimate", "proved", "slack", "gain to here", "share"):
        table.add_column(name, justify="right")
    for row in result.rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: "Layer") -> list[Text]:
    from lipcert.bounds.result import show

    cells = [
        row.path or row.name,
        row.operation,
        "×".join(map(str, row.shape[1:])),
        "" if row.estimate is None else f"≈{row.estimate:.6g}",
        show(row.norm, row.log10_norm),
        "" if row.slack is None else f"{row.slack:.1e}",
        show(row.gain, row.log10_gain),
        "" if row.share is None else f"{row.share:.0%}",
    ]
    return [Text(cell) for cell in cells]


def _summary(result: "Bound") -> Iterator[Text]:
    from lipcert.bounds.result import sentence, show
    from lipcert.norms import ball

    for region in () if result.blocks else result.regions:
        gains = [show(ball.up(value), ball.log10(value)) for value in (region.gain, region.product)]
        where = f"{region.entry} → {region.exit} by {region.method}"
        yield Text(f"region          {where}: {gains[0]} instead of {gains[1]}")
    style = {"proved": "bold green", "estimated": "bold yellow", "unsupported": "bold red"}[str(result.status)]
    yield Text(f"{result.status!s:<16}", style=style) + Text(sentence(result.claim, result.upper, result.log10_upper))
    if result.paper is not None:
        paper = show(float(result.paper.bound), result.paper.log10)
        what = f"≈{paper}, token-rms from the one-hot ids, logit scale left out (arXiv 2507.13338)"
        yield Text(f"{'estimated':<16}", style="bold yellow") + Text(f"by the paper's own accounting {what}")
    product = show(result.product, ball.log10(result.product_ball))
    yield Text(f"measured        at least {result.lower:.6g}{_ratio(result)}; plain product of norms {product}")


def _ratio(result: "Bound") -> str:
    if not result.lower > 0 or not result.upper > 0:
        return ""
    power = result.log10_upper - math.log10(result.lower)
    return f" (proved/measured {10**power:.3g})" if power < 300 else f" (proved/measured 10^{power:.1f})"
