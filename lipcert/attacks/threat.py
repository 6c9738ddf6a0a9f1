"""What is tried on a network: budgets and attacks, what moves, and where the certificate beside it holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lipcert.attacks.plan import Plan
from lipcert.attacks.session import Setup
from lipcert.errors import UsageError
from lipcert.rules.domain import Domain

_LAST = "last:"


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


def tried(threat: Threat) -> dict[str, Any]:
    """All that a result depends on beside network, data, norm, source, eps and seed."""
    plan = threat.plan
    bounded = plan.low is not None and plan.high is not None
    return {
        "attacks": list(plan.attacks), **vars(plan.effort), "range": [plan.low, plan.high] if bounded else None,
        "positions": threat.positions, "output": threat.setup.output, "domain": str(threat.domain),
    }  # fmt: skip


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
