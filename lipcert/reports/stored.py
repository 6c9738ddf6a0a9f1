"""What sections ask of records: all bounds with their claims, runs with examples, and the words for them."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from lipcert.reports.numbers import up
from lipcert.reports.record import Examples, Record
from lipcert.store.run import RunKind

PROVED, STATED = "proved", "stated"
"""The statuses of a bound that has a certificate, and of one that `train.json` alone tells of."""


@dataclass(frozen=True)
class Stated:
    """A bound with its claim, from `file`. None: not stored, or no finite number. again: the command that proves it."""

    file: str
    status: str
    claim: Mapping[str, Any]
    upper: Decimal | None
    lower: float | None
    product: Decimal | None
    paper: Decimal | None
    again: str = ""

    @property
    def proved(self) -> Decimal | None:
        return self.upper if self.status == PROVED else None


def stated(record: Record) -> list[Stated]:
    """All bounds that are stored: what stands beside its certificate, and what is told of the end of training."""
    found = [_stated("bound.json", record.bound, record.bound["status"])] if record.bound is not None else []
    if record.training is not None:
        bounds = record.training.document["bounds"]
        found += [replace(_stated("train.json", each, STATED), again=_again(record, each["claim"])) for each in bounds]
    return found


def _again(record: Record, claim: Mapping[str, Any]) -> str:
    """The command that proves the bound of a training run, and leaves its certificate beside it."""
    assert record.training is not None  # as `stated` asks
    folder = record.folder or Path("FOLDER")
    domain, _, radius = claim["domain"].partition("+")
    flags = ["--norm", claim["norm"], "--domain", domain, *(["--radius", radius] if radius else [])]
    checkpoint = str(folder / record.training.document["model"]["path"])
    return shlex.join(["lipcert", "bound", checkpoint, *flags, "--out", str(folder)])


def claims(record: Record) -> list[Stated]:
    """Of several with one claim, the first."""
    first: list[Stated] = []
    for each in stated(record):
        if all(each.claim != other.claim for other in first):
            first.append(each)
    return first


def _stated(file: str, found: Mapping[str, Any], status: str) -> Stated:
    upper, product, paper = (_decimal(found.get(key)) for key in ("upper", "product", "paper_accounting"))
    return Stated(file, status, found["claim"], upper, found["lower"], product, paper)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def sentence(claim: Mapping[str, Any], upper: Decimal) -> str:
    """The claim in one line."""
    way = f" (through {claim['through']})" if claim["through"] else ""
    return f"|f(x) - f(x')| ≤ {up(upper)} |x - x'| in {claim['norm']}{way}, {where(claim)}"


def where(claim: Mapping[str, Any]) -> str:
    """What a claim assumes beside its norm."""
    shape = "×".join(map(str, claim["shape"]))
    start = f"from {claim['module']} {shape}" if claim["module"] else f"input {shape}"
    output = f", output {claim['output']}" if claim["output"] else ""
    assumed = "".join(f"; {each}" for each in claim.get("assumes", ()))
    return f"for x, x' in {claim['domain']}, {claim['arithmetic']} arithmetic, {start}{output}{assumed}"


def label(claim: Mapping[str, Any]) -> str:
    """A claim in a few words."""
    return f"{claim['norm']} on {claim['domain']}"


def weights_digest(record: Record) -> str:
    """One hash for all weights: SHA-256 of the lines `NAME HASH`, in the order of the names."""
    lines = "".join(f"{name} {record.weights[name]}\n" for name in sorted(record.weights))
    return hashlib.sha256(lines.encode()).hexdigest()


def runs(records: Sequence[Record]) -> list[tuple[str, Record, RunKind, Examples]]:
    """Every run with examples, under its record's name; with its kind where one network has two."""
    return [
        (record.name if len(record.examples) == 1 else f"{record.name} ({kind})", record, kind, run)
        for record in records for kind, run in record.examples.items()
    ]  # fmt: skip


def about_run(run: Examples) -> str:
    """Which examples, moved how."""
    found = run.document
    return f"{found['data']['examples']} examples of {found['data']['name']}, {found['norm']} at {found['source']}"


def eps_text(eps: str) -> str:
    """A budget as people write it: 0.25, and 8/255."""
    value = Fraction(eps)
    short = f"{float(value):g}"
    return short if Fraction(short) == value else eps
