"""`lipcert.verify`: from the files of a certificate and of a checkpoint to what was proved again."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flint import arb

from lipcert.certificate.check import check
from lipcert.certificate.prove import Progress, silent
from lipcert.checkpoint.examples import Ids
from lipcert.checkpoint.load import Inputs, load
from lipcert.checkpoint.sniff import Format, sniff
from lipcert.errors import RejectedError
from lipcert.graph.capture import captured, trace
from lipcert.norms import ball
from lipcert.stages import stage
from lipcert.store.schema import read_json

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verified:
    """A certificate of which every step was proved again.

    claim: norm, domain, shape and more, as the certificate states them. ball: the bound, as a rigorous number.
    nodes, regions: how many were proved.
    """

    claim: Mapping[str, Any]
    ball: arb
    nodes: int
    regions: int

    @property
    def upper(self) -> float:
        """The bound, rounded up; inf where it is beyond float64."""
        return ball.up(self.ball)

    @property
    def log10_upper(self) -> float:
        return ball.log10(self.ball)


def verify(
    certificate: Path | str,
    path: Path | str,
    *,
    arch: str | None = None,
    inputs: Inputs | None = None,
    trust_pickle: bool = False,
    progress: Progress = silent,
) -> Verified:
    """Load and trace the checkpoint at `path`, and prove every step of the certificate with the small checker.

    arch, inputs, trust_pickle: as `lipcert.load` takes them.
    Raises RejectedError naming the line that fails, and what `load` raises.
    """
    document, path = read_json(Path(certificate), "certificate"), Path(path)
    claim = document["claim"]
    model = load(path, arch=arch, inputs=inputs or _claimed(document, path), trust_pickle=trust_pickle)
    _require_assumed(claim.get("assumes", []), model.assumes)
    with stage(_LOG, "capturing the network"):
        graph = trace(captured(model), model.example_inputs, output=claim["output"], source=claim["module"])
    with stage(_LOG, "proving every step again"):
        upper = check(document, graph, claim["output"], progress)
    return Verified(claim, upper, len(graph.nodes), len(document["regions"]))


def _require_assumed(stated: Sequence[str], found: Sequence[str]) -> None:
    """Neither less than what loading assumes, nor more."""
    for sentence in [*found, *stated]:
        if (sentence in stated) != (sentence in found):
            where = "in the certificate" if sentence in stated else "of the checkpoint"
            raise RejectedError(f"claim.assumes: only {where}: {sentence}")


def _claimed(document: Mapping[str, Any], path: Path) -> Inputs | None:
    """The input shape that the certificate names; None where the file says it itself."""
    claim, kind = document["claim"], sniff(path)
    fixed = kind is not Format.HUGGINGFACE and document["fixed_sha256"]
    if kind in (Format.EXPORT, Format.EXPORT_LEGACY) or fixed:
        return None
    shape = tuple(claim["shape"])
    # From an embedding, (1, tokens, features): the network takes the ids of the tokens.
    return [Ids(shape[1:-1]) if claim["module"] else shape[1:]]
