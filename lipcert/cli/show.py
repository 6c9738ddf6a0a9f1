"""What `lipcert bound` prints, and JSON for machines."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from lipcert.cli.screen import console

if TYPE_CHECKING:
    from flint import arb

    from lipcert.bounds.layers import Layer
    from lipcert.bounds.result import Bound, Region


def show_json(document: Any) -> None:
    """For machines, on stdout; -q and -v change nothing of it."""
    json.dump(document, sys.stdout, indent=1, allow_nan=False)
    sys.stdout.write("\n")


def show_bound(result: "Bound", path: Path, certificate: Path | None, *, as_json: bool) -> None:
    """Print a bound: the layers, the regions, the whole."""
    if as_json:
        show_json(result.to_json())
        return
    screen, details = console(), console(detail=True)
    details.print(_blocks(result, path) if result.blocks else _layers(result, path))
    for region in () if result.blocks else result.regions:
        details.print(_region(region))
    screen.print(_claim(result))
    for line in _beside(result):
        details.print(line)
    if certificate is not None:
        details.print(Text(f"certificate     {certificate}"), soft_wrap=True)
        details.print(Text(f"prove it again  lipcert verify {certificate} {path}", style="dim"), soft_wrap=True)


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


def _region(region: "Region") -> Text:
    where = f"{region.entry} → {region.exit} by {region.method}"
    return Text(f"region          {where}: {_number(region.gain)} instead of {_number(region.product)}")


def _claim(result: "Bound") -> Text:
    from lipcert.bounds.result import sentence

    style = {"proved": "bold green", "estimated": "bold yellow", "unsupported": "bold red"}[str(result.status)]
    claim = sentence(result.claim, result.upper, result.log10_upper)
    return Text(f"{result.status!s:<16}", style=style) + Text(claim, style="not bold default")


def _beside(result: "Bound") -> Iterator[Text]:
    """What is assumed and held fixed in the claim; and what is no proof, beside it."""
    from lipcert.bounds.result import show

    for assumed in result.claim.assumes:
        yield Text(f"assumed         {assumed}")
    if fixed := ", ".join(result.certificate["fixed_sha256"]):
        yield Text(f"held fixed      {fixed}, as in the example inputs: a mask that hides padding is the one of these")
    if result.paper is not None:
        paper = show(float(result.paper.bound), result.paper.log10)
        what = f"≈{paper}, token-rms from the one-hot ids, logit scale left out (arXiv 2507.13338)"
        yield Text(f"{'estimated':<16}", style="bold yellow") + Text(f"by the paper's own accounting {what}")
    product = _number(result.product_ball)
    yield Text(f"measured        at least {result.lower:.6g}{_ratio(result)}; plain product of norms {product}")


def _ratio(result: "Bound") -> str:
    if not result.lower > 0 or not result.upper > 0:
        return ""
    power = result.log10_upper - math.log10(result.lower)
    return f" (proved/measured {10**power:.3g})" if power < 300 else f" (proved/measured 10^{power:.1f})"
