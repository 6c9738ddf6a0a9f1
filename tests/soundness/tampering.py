"""Changes to a certificate, and what `lipcert verify` does with what comes of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flint import arb

from lipcert.certificate.check import check
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.store.schema import read_json

Document = dict[str, Any]


def verify(document: Document, folder: Path, graph: Graph, output: str) -> arb:
    """What `lipcert verify` does with a certificate: read the file, and check it against the network."""
    path = folder / "certificate.json"
    path.write_text(json.dumps(document))
    return check(read_json(path, "certificate"), graph, output)


def put(*keys: str | int, value: Any) -> Callable[[Document], None]:
    """A tampering that sets one value."""

    def tamper(document: Document) -> None:
        place: Any = document
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return tamper


def scaled(*keys: str | int, by: str) -> Callable[[Document], None]:
    """A tampering that multiplies a decimal, or a float."""

    def tamper(document: Document) -> None:
        old: Any = document
        for key in keys:
            old = old[key]
        new = ball.to_text(ball.from_text(old) * arb(by)) if isinstance(old, str) else old * float(by)
        put(*keys, value=new)(document)

    return tamper


def both(*tampers: Callable[[Document], None]) -> Callable[[Document], None]:
    def tamper(document: Document) -> None:
        for one in tampers:
            one(document)

    return tamper
