"""What `lipcert.bound` returns: the claim, its status, the numbers, and the table a layer."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Context
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, Any

from flint import arb

from lipcert.bounds.accounting import PaperAccounting
from lipcert.bounds.blocks import Block
from lipcert.bounds.layers import Layer
from lipcert.certificate.document import Claim
from lipcert.norms import ball
from lipcert.store.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import pandas as pd


_UP = Context(prec=6, rounding=ROUND_CEILING)


class Status(StrEnum):
    PROVED = "proved"
    ESTIMATED = "estimated"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class Region:
    """Part of the network bounded as a whole. gain: from entry to exit. product: of its layers' norms.

    paths: what the gain is made of, such as the value and the softmax path of attention.
    """

    entry: str
    exit: str
    method: str
    gain: arb
    product: arb
    paths: Mapping[str, arb] = field(default_factory=dict)


@dataclass(frozen=True)
class Bound:
    """A Lipschitz bound with everything that belongs to it.

    ball: the proved upper bound as a rigorous number. lower: the largest ratio measured between two points
    of the domain, in float64. product: the plain product of layer norms, for comparison.
    blocks: the steps of the main line, in token norms. paper: what arXiv 2507.13338 would report of a network in
    its form, an estimate.
    certificate: the JSON document that `lipcert verify` proves again.
    """

    status: Status
    claim: Claim
    ball: arb
    lower: float
    product_ball: arb
    rows: tuple[Layer, ...]
    regions: tuple[Region, ...]
    blocks: tuple[Block, ...]
    certificate: dict[str, Any] = field(repr=False)
    seconds: float
    paper: PaperAccounting | None = None

    @property
    def upper(self) -> float:
        """The proved bound as a float, rounded up; inf where it exceeds a float (see log10_upper)."""
        return ball.up(self.ball)

    @property
    def log10_upper(self) -> float:
        return ball.log10(self.ball)

    @property
    def product(self) -> float:
        return ball.up(self.product_ball)

    @property
    def layers(self) -> "pd.DataFrame":
        """One row a layer; the columns are those of `Layer`."""
        import pandas as pd

        return pd.DataFrame([vars(row) for row in self.rows])

    def to_json(self) -> dict[str, Any]:
        """The result file of the shipped schema; numbers beyond a float are null beside their log10."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "result",
            "status": str(self.status),
            "claim": self.claim.to_json(),
            "upper": ball.to_text(self.ball),
            "log10_upper": self.log10_upper if self.log10_upper > -math.inf else None,
            "lower": self.lower,
            "product": ball.to_text(self.product_ball),
            "layers": [row.to_json() for row in self.rows],
            "regions": [
                {"entry": r.entry, "exit": r.exit, "method": r.method, "gain": ball.to_text(r.gain),
                 "product": ball.to_text(r.product),
                 "paths": {name: ball.to_text(value) for name, value in r.paths.items()}} for r in self.regions
            ],
            "blocks": [block.to_json() for block in self.blocks],
            "paper_accounting": None if self.paper is None else ball.to_text(self.paper.bound),
            "weights_sha256": self.certificate["weights_sha256"],
            "versions": self.certificate["versions"],
            "seconds": self.seconds,
        }  # fmt: skip

    def _repr_html_(self) -> str:
        claim = escape(sentence(self.claim, self.upper, self.log10_upper))
        head = f"<p><b>{self.status}</b>: {claim}; measured at least {self.lower:.4g}</p>"
        return head + self.layers.to_html()


def sentence(claim: Claim, upper: float, log10_upper: float) -> str:
    """The claim in one line."""
    value, shape = show(upper, log10_upper), "×".join(map(str, claim.shape))
    way = f" (through {claim.through})" if claim.through else ""
    start = f"from {claim.module} {shape}" if claim.module else f"input {shape}"
    return (
        f"|f(x) - f(x')| <= {value} |x - x'| in {claim.norm}{way}, for x, x' in {claim.domain}, "
        f"{claim.arithmetic} arithmetic, {start}"
    )


def show(value: float, log10: float) -> str:
    """A bound to six digits, rounded up so that what is printed still holds."""
    if value == 0:
        return "0"
    if not abs(log10) < 300:
        return f"10^{log10 + 5e-4:.3f}"
    return f"{float(_UP.create_decimal_from_float(value)):.6g}"
