"""The table of limits.md: how far the proved bounds of trained networks are above what was measured."""

import json
import math
from decimal import Decimal
from pathlib import Path

from generate.prose import cell

REPORTS = Path(__file__).parents[2] / "reports"


def pages() -> dict[str, str]:
    """Raises ValueError where no training run is stored with the repository."""
    rows = [row for path in sorted(REPORTS.glob("*/*/train.json")) for row in _rows(path)]
    if not rows:
        raise ValueError(f"no {REPORTS}/*/*/train.json: docs/limits.md shows its bounds")
    head = "| run | norm, domain | proved bound | measured at least | proved / measured |\n|---|---|---|---|---|\n"
    return {"looseness.md": head + "\n".join(rows) + "\n"}


def _rows(path: Path) -> list[str]:
    run = json.loads(path.read_text(encoding="utf-8"))
    rows = []
    for bound in run["bounds"]:
        upper, lower, claim = Decimal(bound["upper"]), bound["lower"], bound["claim"]
        ratio = _short(upper / Decimal(lower)) if lower else "–"
        rows.append(
            f"| {cell(run['name'])} | {claim['norm']}, {cell(claim['domain'])} | {_short(upper)} "
            f"| {lower:.4g} | {ratio} |"
        )
    return rows


def _short(value: Decimal) -> str:
    """Four digits, or a power of ten."""
    return f"{value:.4g}" if abs(value) < 100_000 else f"10^{math.ceil(value.log10() * 10) / 10}".replace("^", "\\^")
