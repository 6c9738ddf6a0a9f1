"""A run of attacks and certificates as a JSON document: what was tried on which network, and how it came out."""

from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lipcert.attacks.exported import weights_of
from lipcert.attacks.measure import FOOLED
from lipcert.attacks.result import AttackResult
from lipcert.attacks.session import Session, Setup
from lipcert.attacks.threat import Threat, tried
from lipcert.bounds.certify import Certified
from lipcert.certificate.document import hashes
from lipcert.checkpoint.examples import Ids, Shape
from lipcert.checkpoint.model import Model
from lipcert.store.violation import Network


def document_of(
    threat: Threat, session: Session, seed: int, found: AttackResult | None, certificate: Certified | None,
    seconds: float, right: Tensor,
) -> dict[str, Any]:  # fmt: skip
    """found, certificate: None where there is none. seconds: of the whole run. right: (n,), without any attack."""
    data, assumes = session.dataset, list(session.model.assumes)
    computed = certificate.arithmetic.count("float64") if certificate is not None else 0
    return {
        "model": {"path": threat.setup.path, **identity(session.model), **({"assumes": assumes} if assumes else {})},
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
        **({"float64_margins": computed} if computed else {}),
        **({"command": threat.command} if threat.command else {}),
    }


def identity(model: Model) -> dict[str, Any]:
    """What tells a network from every other, as far as the checkpoint says it."""
    told, network = {"weights_sha256": hashes(weights_of(model.network))}, model.network_sha256
    return told if network is None else told | {"network_sha256": network}


def network_of(setup: Setup, session: Session) -> Network:
    """To have it again, where something impossible was seen."""
    weights = hashes(weights_of(session.model.network))
    inputs = tuple(_text(shape) for shape in setup.inputs)
    arch, place, folder = setup.arch or "", session.target.place, Path(setup.root)
    return Network(Path(setup.path), weights, arch, inputs, place, setup.output, folder)


def _text(shape: Shape | Ids) -> str:
    """As --input takes it."""
    sizes, start = (shape.shape, "ids:") if isinstance(shape, Ids) else (shape, "")
    return start + ",".join(map(str, sizes))


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
