"""What a rule asks about, computed from the checkpoint alone. Nothing is written."""

from dataclasses import replace

import torch
from torch import nn

from lipcert.attacks.run import Found, attacked, certified, predictions
from lipcert.attacks.session import Session
from lipcert.attacks.threat import Threat
from lipcert.bounds.engine import bound as prove_bound
from lipcert.certificate.prove import Progress
from lipcert.errors import UnsupportedError
from lipcert.gates.subject import Subject
from lipcert.reports.quantities import QUANTITIES, Reading, data_of
from lipcert.reports.record import Examples, Record, Training
from lipcert.store.table import Row
from lipcert.training.observe import observe
from lipcert.workspace.gate import Gate

SOURCE = "computed"
_BATCH = 128


def bound(subject: Subject, seconds: float, say: Progress) -> Record:
    """Raises UnsupportedError where there is no finite bound, ViolationError where a measurement beats it."""
    model, entry = subject.model, subject.entry
    found = prove_bound(
        model, norm=entry.norm, domain=subject.domain, source=entry.source, output=entry.output, seconds=seconds,
        progress=say,
    )  # fmt: skip
    return Record(subject.name, found.certificate["weights_sha256"], bound=found.to_json())


def clean(subject: Subject, rule: Gate) -> Record:
    """Which examples are right."""
    session = subject.examples(rule)
    rows = [{"right": right} for right in predictions(session).eq(session.y).tolist()]
    return Record(subject.name, subject.weights, examples={"attack": Examples({"data": _data(session)}, rows)})


def attacks(subject: Subject, threat: Threat, *, attack: bool, seconds: float, say: Progress) -> Record:
    """attack: whether attacks are run, or the certificate alone.

    Raises ViolationError where an attack succeeds within a certified radius, UnsupportedError where an attack cannot
    be run.
    """
    if attack:
        found = attacked(threat, seconds=seconds, seed=0, batch=None, workers=0, ray=None, say=say)
    else:
        found = certified(threat, seconds=seconds, say=say)
    return Record(subject.name, subject.weights, examples={found.kind: Examples(_complete(found), found.rows)})


def _complete(found: Found) -> dict[str, object]:
    """uncertified: why there is no certificate, in place of one."""
    return {"kind": found.kind, "uncertified": found.uncertified, **found.document}


def activations(subject: Subject, rule: Gate) -> Reading | None:
    """The largest entry that a module returns on the examples; None where it is not finite."""
    session, network = subject.examples(rule), subject.model.module
    if not isinstance(network, nn.Module):
        raise UnsupportedError(
            f"{subject.entry.path} is an exported program, whose modules cannot be observed.",
            hint="Name the checkpoint that it was exported from.",
        )
    seen = [each for part in torch.split(session.inputs, _BATCH) for each in observe(network, part)]
    rows: list[Row] = [{"step": 0, "path": each.path, "largest": each.largest} for each in seen]
    data = {"data": _data(session)}
    record = Record(subject.name, subject.weights, training=Training(data, {"activations": rows}))
    found = QUANTITIES["largest-activation"].read(record, None)
    return None if found is None else replace(found, claim=data_of(data))


def _data(session: Session) -> dict[str, object]:
    return {"name": session.dataset.name, "sha256": session.dataset.sha256, "examples": len(session.y)}
