"""Proved Lipschitz bounds for trained networks, with certificates that anyone can check."""

from importlib import import_module
from typing import TYPE_CHECKING

from lipcert.errors import (
    DivergedError,
    ExitCode,
    GateError,
    InputError,
    LipcertError,
    OutputError,
    RejectedError,
    ResourceError,
    StoppedError,
    UnsupportedError,
    UsageError,
    ViolationError,
)

if TYPE_CHECKING:
    from lipcert.attacks.api import attack
    from lipcert.attacks.result import AttackResult
    from lipcert.bounds.certify import Certified, certify
    from lipcert.bounds.engine import bound
    from lipcert.bounds.result import Bound, Status
    from lipcert.certificate.verify import Verified, verify
    from lipcert.checkpoint.examples import Ids
    from lipcert.checkpoint.load import load
    from lipcert.gates.api import gate
    from lipcert.gates.result import GateResult
    from lipcert.graph.inspection import Inspection, inspect
    from lipcert.graph.ops import Operations, ops
    from lipcert.installed import Installation, doctor
    from lipcert.norms.norm import L2, LINF, TOKEN_L2, TOKEN_RMS, Norm
    from lipcert.reports.api import Comparison, compare, report
    from lipcert.rules.domain import Box, Everywhere, Vocabulary
    from lipcert.sweeps.api import sweep
    from lipcert.sweeps.result import Swept
    from lipcert.training.api import Trained, train
    from lipcert.workspace.check import check
    from lipcert.workspace.init import init
    from lipcert.workspace.recipe import Recipe

__version__ = "0.1.0"

__all__ = [
    "L2",
    "LINF",
    "TOKEN_L2",
    "TOKEN_RMS",
    "AttackResult",
    "Bound",
    "Box",
    "Certified",
    "Comparison",
    "DivergedError",
    "Everywhere",
    "ExitCode",
    "GateError",
    "GateResult",
    "Ids",
    "InputError",
    "Inspection",
    "Installation",
    "LipcertError",
    "Norm",
    "Operations",
    "OutputError",
    "Recipe",
    "RejectedError",
    "ResourceError",
    "Status",
    "StoppedError",
    "Swept",
    "Trained",
    "UnsupportedError",
    "UsageError",
    "Verified",
    "ViolationError",
    "Vocabulary",
    "__version__",
    "attack",
    "bound",
    "certify",
    "check",
    "compare",
    "doctor",
    "gate",
    "init",
    "inspect",
    "load",
    "ops",
    "report",
    "sweep",
    "train",
    "verify",
]

# Public names whose modules import torch: loaded when first asked for, so that `import lipcert` stays fast.
_LAZY = {
    "L2": "lipcert.norms.norm",
    "LINF": "lipcert.norms.norm",
    "TOKEN_L2": "lipcert.norms.norm",
    "TOKEN_RMS": "lipcert.norms.norm",
    "Norm": "lipcert.norms.norm",
    "Ids": "lipcert.checkpoint.examples",
    "Vocabulary": "lipcert.rules.domain",
    "AttackResult": "lipcert.attacks.result",
    "Bound": "lipcert.bounds.result",
    "Certified": "lipcert.bounds.certify",
    "Status": "lipcert.bounds.result",
    "Box": "lipcert.rules.domain",
    "Everywhere": "lipcert.rules.domain",
    "attack": "lipcert.attacks.api",
    "bound": "lipcert.bounds.engine",
    "certify": "lipcert.bounds.certify",
    "load": "lipcert.checkpoint.load",
    "Comparison": "lipcert.reports.api",
    "compare": "lipcert.reports.api",
    "report": "lipcert.reports.api",
    "Recipe": "lipcert.workspace.recipe",
    "Trained": "lipcert.training.api",
    "train": "lipcert.training.api",
    "Swept": "lipcert.sweeps.result",
    "sweep": "lipcert.sweeps.api",
    "Verified": "lipcert.certificate.verify",
    "verify": "lipcert.certificate.verify",
    "Inspection": "lipcert.graph.inspection",
    "inspect": "lipcert.graph.inspection",
    "Operations": "lipcert.graph.ops",
    "ops": "lipcert.graph.ops",
    "Installation": "lipcert.installed",
    "doctor": "lipcert.installed",
    "gate": "lipcert.gates.api",
    "GateResult": "lipcert.gates.result",
    "check": "lipcert.workspace.check",
    "init": "lipcert.workspace.init",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'lipcert' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
