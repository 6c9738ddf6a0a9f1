"""A threat model tried on a network: attacked, certified, or both, as one result."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lipcert.attacks.document import document_of, identity, network_of
from lipcert.attacks.keep import from_json
from lipcert.attacks.memory import fitting_batch
from lipcert.attacks.plan import Plan
from lipcert.attacks.result import join
from lipcert.attacks.sandwich import require_sandwich, rows
from lipcert.attacks.session import Session, attack_rows, open_session
from lipcert.attacks.table import find
from lipcert.attacks.threat import Threat, moving
from lipcert.bounds.certify import Certified
from lipcert.bounds.certify import certify as certify_examples
from lipcert.errors import InputError, UnsupportedError
from lipcert.shard.map import map_items
from lipcert.stages import stage
from lipcert.store.examples import COLUMNS
from lipcert.store.parts import Resumable
from lipcert.store.run import RunKind, write_run
from lipcert.store.schema import SCHEMA_VERSION
from lipcert.store.table import Row

_BATCH = 128
_LOG = logging.getLogger(__name__)

Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Found:
    """document: as the schema of its kind wants it, without the table. rows: one an example.

    uncertified: why there is no certificate, where one was asked for.
    """

    kind: RunKind
    document: Mapping[str, Any]
    rows: list[Row]
    uncertified: str = ""
    path: Path | None = None

    def to_json(self) -> dict[str, Any]:
        return {"schema_version": SCHEMA_VERSION, "kind": self.kind, **self.document, "examples": self.rows}


def attacked(
    threat: Threat, *, seconds: float, seed: int, batch: int | None, workers: int, ray: str | None, say: Say
) -> Found:
    """Every attack on every example, and the certificate beside it.

    batch: examples that go through the network at once; as many as memory holds, up to 128, where it is None.
    Raises ViolationError where an attack succeeds within a certified radius.
    """
    started, session = time.monotonic(), open_session(threat.setup)
    if threat.positions:
        threat = replace(threat, plan=replace(threat.plan, positions=moving(threat.positions, session.x.shape)))
    _require_possible(threat.plan, session)
    batch = batch or fitting_batch(session.target, session.x, session.y, workers)
    found = join([from_json(kept) for kept in _shards(threat, session, seed, batch, workers, ray, say)])
    certificate, why = _certificate(threat, session, seconds, say)
    if certificate is not None:
        network = network_of(threat.setup, session)
        place = threat.out or Path(threat.setup.root) / "reports"
        require_sandwich(found, certificate, session.x, session.y, network, session.target.context, place)
    table = rows(found, certificate, session.y, found.prediction)
    document = document_of(threat, session, seed, found, certificate, time.monotonic() - started, found.right)
    return _written(threat, Found("attack", document, table, why))


def _require_possible(plan: Plan, session: Session) -> None:
    """Raises before any work is done where an attack is unknown, or a budget does not suit the inputs."""
    for name in plan.attacks:
        find(name)
    for eps in plan.eps:
        plan.budget(eps).require(session.x)


def _shards(
    threat: Threat, session: Session, seed: int, batch: int, workers: int, ray: str | None, say: Say
) -> list[dict[str, Any]]:
    """The results of the examples, so many at once; where results are written, each is kept, and not done again."""
    numbers = list(range(len(session.y)))
    chunks = [numbers[start : start + batch] for start in range(0, len(numbers), batch)]
    attack = partial(attack_rows, threat.setup, threat.plan, seed, batch)
    say("attacking", 0, len(chunks))
    with ExitStack() as stack:
        stack.enter_context(stage(_LOG, f"attacking {len(numbers)} examples"))
        kept = stack.enter_context(_kept(threat, session, seed, batch)) if threat.out is not None else None
        results = map_items(
            attack, chunks, workers=workers, ray=ray, kept=kept, progress=lambda done, of: say("attacking", done, of)
        )
        return [result for _, result in results]


def _kept(threat: Threat, session: Session, seed: int, batch: int) -> Resumable:
    """The folder `parts`, with all that a result depends on."""
    assert threat.out is not None
    plan, setup = threat.plan, threat.setup
    header = {
        **identity(session.model), "data": session.dataset.sha256, "limit": setup.limit,
        "source": session.target.place or "input", "output": setup.output, "seed": seed, "batch": batch,
        "norm": plan.norm.name, "eps": [str(eps) for eps in plan.eps], "attacks": list(plan.attacks),
        "effort": vars(plan.effort), "range": [plan.low, plan.high], "positions": threat.positions,
    }  # fmt: skip
    return Resumable(threat.out / "parts", header, replace=threat.force)


def certified(threat: Threat, *, seconds: float, say: Say) -> Found:
    """The certified radius of every example. Raises UnsupportedError where there is no finite bound."""
    started, session = time.monotonic(), open_session(threat.setup)
    certificate, why = _certificate(threat, session, seconds, say)
    if certificate is None:
        raise UnsupportedError(why, hint="A bounded --domain often gives a finite bound.")
    predicted = predictions(session)
    document = document_of(threat, session, 0, None, certificate, time.monotonic() - started, session.y.eq(predicted))
    return _written(threat, Found("certify", document, rows(None, certificate, session.y, predicted)))


def _certificate(threat: Threat, session: Session, seconds: float, say: Say) -> tuple[Certified | None, str]:
    setup = threat.setup
    source = (setup.source or "embedding") if setup.inside else ""
    try:
        return certify_examples(
            session.model.network, session.inputs, session.y, norm=threat.plan.norm, domain=threat.domain,
            source=source, output=setup.output, seconds=seconds, progress=say,
        ), ""  # fmt: skip
    except UnsupportedError as error:
        return None, error.message


def predictions(session: Session) -> Tensor:
    """(n,), or (n, T): the class of each example without any attack."""
    return logits(session).argmax(-1)


def logits(session: Session) -> Tensor:
    """(n, classes), or (n, T, classes), without any attack. Raises InputError where one is no finite number."""
    numbers, found = torch.arange(len(session.x)), []
    with torch.no_grad(), session.target.frozen():
        for start in range(0, len(numbers), _BATCH):
            part = numbers[start : start + _BATCH]
            found.append(session.target.select(part)(session.x[part]))
    outputs = torch.cat(found)
    odd = (~outputs.isfinite()).flatten(1).any(1).nonzero()[:, 0].tolist()
    if odd:  # the largest of them would be a class, and perhaps the right one
        raise InputError(
            f"the network returns NaN or infinity for example {odd[0]}, and for {len(odd) - 1} more.",
            hint="Look at its weights.",
        )
    return outputs


def _written(threat: Threat, found: Found) -> Found:
    if threat.out is None:
        return found
    path = write_run(threat.out, found.kind, found.document, COLUMNS, found.rows, overwrite=threat.force)
    return Found(found.kind, found.document, found.rows, found.uncertified, path)
