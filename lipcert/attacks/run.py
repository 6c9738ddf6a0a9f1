"""A threat model tried on a network: attacked, certified, or both, as one result."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lipcert.attacks.keep import from_json
from lipcert.attacks.measure import FOOLED
from lipcert.attacks.memory import fitting_batch
from lipcert.attacks.plan import Plan
from lipcert.attacks.result import AttackResult, join
from lipcert.attacks.sandwich import COLUMNS, require_sandwich, rows
from lipcert.attacks.session import Session, Setup, attack_rows, open_session
from lipcert.attacks.table import find
from lipcert.bounds.certify import Certified
from lipcert.bounds.certify import certify as certify_examples
from lipcert.certificate.document import hashes
from lipcert.checkpoint.examples import Ids, Shape
from lipcert.checkpoint.model import Model
from lipcert.errors import UnsupportedError, UsageError
from lipcert.rules.domain import Domain
from lipcert.shard.map import map_items
from lipcert.stages import stage
from lipcert.store.parts import Resumable
from lipcert.store.run import RunKind, write_run
from lipcert.store.schema import SCHEMA_VERSION
from lipcert.store.table import Row
from lipcert.store.violation import Network

_BATCH, _LAST = 128, "last:"
_LOG = logging.getLogger(__name__)

Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Threat:
    """suite: its name. domain: of the certificate. out: where results are written, None for nowhere.

    positions: the tokens that may move, "0,3" or "last:2"; "" for all. command: what makes the run again, where a
    command line asked for it.
    """

    setup: Setup
    plan: Plan
    suite: str
    domain: Domain
    out: Path | None = None
    force: bool = False
    positions: str = ""
    command: str = ""


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
        network = _network(threat.setup, session)
        place = threat.out or Path("reports")
        require_sandwich(found, certificate, session.x, session.y, network, session.target.context, place)
    table = rows(found, certificate, session.y, found.prediction)
    document = _document(threat, session, seed, found, certificate, time.monotonic() - started, found.right)
    return _written(threat, Found("attack", document, table, why))


def _require_possible(plan: Plan, session: Session) -> None:
    """Raises before any work is done where an attack is unknown, or a budget does not suit the inputs."""
    for name in plan.attacks:
        find(name)
    for eps in plan.eps:
        plan.budget(eps).require(session.x)


def moving(positions: str, shape: Sequence[int]) -> Tensor:
    """A bool for each token of inputs (n, ..., T, features). Raises UsageError for a token that there is not."""
    tokens = shape[-2] if len(shape) > 2 else 0
    try:
        last = positions.startswith(_LAST)
        chosen = range(tokens)[-int(positions.removeprefix(_LAST)) :] if last else map(int, positions.split(","))
        mask = torch.zeros(tokens, dtype=torch.bool)
        mask[torch.tensor([range(tokens)[place] for place in chosen])] = True
    except (ValueError, IndexError) as error:
        raise UsageError(
            f"--positions {positions!r} names no tokens of the {tokens} that there are.",
            hint="Write their numbers from 0, 0,3, or last:2.",
        ) from error
    return mask


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
        **_identity(session.model), "data": session.dataset.sha256, "limit": setup.limit,
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
    document = _document(threat, session, 0, None, certificate, time.monotonic() - started, session.y.eq(predicted))
    return _written(threat, Found("certify", document, rows(None, certificate, session.y, predicted)))


def _certificate(threat: Threat, session: Session, seconds: float, say: Say) -> tuple[Certified | None, str]:
    setup = threat.setup
    assert session.model.module is not None  # as `open_session` requires
    source = (setup.source or "embedding") if setup.inside else ""
    try:
        return certify_examples(
            session.model.module, session.inputs, session.y, norm=threat.plan.norm, domain=threat.domain, source=source,
            output=setup.output, seconds=seconds, progress=say,
        ), ""  # fmt: skip
    except UnsupportedError as error:
        return None, error.message


def predictions(session: Session) -> Tensor:
    """(n,), or (n, T): the class of each example without any attack."""
    return logits(session).argmax(-1)


def logits(session: Session) -> Tensor:
    """(n, classes), or (n, T, classes), without any attack."""
    numbers, found = torch.arange(len(session.x)), []
    with torch.no_grad(), session.target.frozen():
        for start in range(0, len(numbers), _BATCH):
            part = numbers[start : start + _BATCH]
            found.append(session.target.select(part)(session.x[part]))
    return torch.cat(found)


def _network(setup: Setup, session: Session) -> Network:
    assert session.model.module is not None
    weights = hashes(session.model.module.state_dict())
    inputs = tuple(_text(shape) for shape in setup.inputs)
    return Network(Path(setup.path), weights, setup.arch or "", inputs, session.target.place, setup.output)


def _text(shape: Shape | Ids) -> str:
    """As --input takes it."""
    sizes, start = (shape.shape, "ids:") if isinstance(shape, Ids) else (shape, "")
    return start + ",".join(map(str, sizes))


def _document(
    threat: Threat, session: Session, seed: int, found: AttackResult | None, certificate: Certified | None,
    seconds: float, right: Tensor,
) -> dict[str, Any]:  # fmt: skip
    data = session.dataset
    return {
        "model": {"path": threat.setup.path, **_identity(session.model)},
        "data": {"name": data.name, "sha256": data.sha256, "examples": len(session.y)},
        "suite": threat.suite,
        "threat": tried(threat),
        "norm": threat.plan.norm.name,
        "source": session.target.place or "input",
        "seed": seed,
        "versions": {package: version(package) for package in ("lipcert", "torch")},
        "seconds": seconds,
        "accuracy": [_accuracy(eps, i, right, found, certificate) for i, eps in enumerate(threat.plan.eps)],
        "counters": _counters(found),
        "flags": [{"name": flag.name, "sentence": flag.sentence} for flag in (found.flags if found else ())],
    } | ({"command": threat.command} if threat.command else {})


def _identity(model: Model) -> dict[str, Any]:
    """What tells a network from every other, as far as the checkpoint says it."""
    assert model.module is not None  # as `open_session` requires
    told, network = {"weights_sha256": hashes(model.module.state_dict())}, model.network_sha256
    return told if network is None else told | {"network_sha256": network}


def tried(threat: Threat) -> dict[str, Any]:
    """All that a result depends on beside network, data, norm, source, eps and seed."""
    plan = threat.plan
    bounded = plan.low is not None and plan.high is not None
    return {
        "attacks": list(plan.attacks), **vars(plan.effort), "range": [plan.low, plan.high] if bounded else None,
        "positions": threat.positions, "output": threat.setup.output, "domain": str(threat.domain),
    }  # fmt: skip


def _share(mask: Tensor) -> float:
    return float(mask.double().mean())


def _accuracy(
    eps: Fraction, place: int, right: Tensor, found: AttackResult | None, certificate: Certified | None
) -> dict[str, Any]:
    return {
        "eps": str(eps),
        "clean": _share(right),
        "attacked": None if found is None else _share(found.robust[place]),
        "certified": None if certificate is None else _share(right & certificate.at(eps)),
        "by_attack": {} if found is None else _by_attack(found, place),
    }


def _by_attack(found: AttackResult, place: int) -> dict[str, float | None]:
    """Still right after each attack and all that ran before it; null where an attack could not be run."""
    fooled = (found.outcome[: place + 1] == FOOLED).any(0)  # (attack, example), at this eps or a smaller one
    ran = list(dict.fromkeys(attempt.attack for attempt in found.attempts))
    skipped = {attempt.attack for attempt in found.attempts if attempt.skipped}
    so_far = torch.zeros_like(found.right)
    shares: dict[str, float | None] = {}
    for name in ran:
        so_far = so_far | fooled[found.attacks.index(name)]
        shares[name] = None if name in skipped else _share(found.right & ~so_far)
    return shares


def _counters(found: AttackResult | None) -> dict[str, Any]:
    attempts = found.attempts if found is not None else ()
    rejected: dict[str, dict[str, int]] = {}
    for attempt in attempts:
        for reason, count in attempt.rejected.items():
            each = rejected.setdefault(attempt.attack, {})
            each[reason] = each.get(reason, 0) + count
    return {
        "forward": sum(attempt.forward for attempt in attempts),
        "backward": sum(attempt.backward for attempt in attempts),
        "rejected": rejected,
    }


def _written(threat: Threat, found: Found) -> Found:
    if threat.out is None:
        return found
    path = write_run(threat.out, found.kind, found.document, COLUMNS, found.rows, overwrite=threat.force)
    return Found(found.kind, found.document, found.rows, found.uncertified, path)
