"""Results of attacks as JSON, in which they are kept while a run goes on: tensors exactly, as safetensors in base64."""

import base64
from dataclasses import fields
from fractions import Fraction
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from lipcert.attacks.flags import Flag
from lipcert.attacks.result import AttackResult, Attempt


def to_json(result: AttackResult) -> dict[str, Any]:
    """What `from_json` reads back."""
    tensors = {name: value.contiguous() for name, value in vars(result).items() if isinstance(value, Tensor)}
    return {
        "norm": result.norm,
        "eps": [str(eps) for eps in result.eps],
        "attacks": list(result.attacks),
        "seed": result.seed,
        "attempts": [{**vars(attempt), "eps": str(attempt.eps)} for attempt in result.attempts],
        "probed": [vars(flag) for flag in result.probed],
        "tensors": base64.b64encode(save(tensors)).decode("ascii"),
    }


def from_json(kept: dict[str, Any]) -> AttackResult:
    """Raises ValueError and KeyError where it is not what `to_json` made."""
    tensors = load(base64.b64decode(kept["tensors"], validate=True))
    missing = {field.name for field in fields(AttackResult)} - set(tensors) - set(kept)
    if missing:
        raise ValueError(f"a result without {', '.join(sorted(missing))}")
    return AttackResult(
        norm=kept["norm"],
        eps=tuple(Fraction(eps) for eps in kept["eps"]),
        attacks=tuple(kept["attacks"]),
        seed=kept["seed"],
        attempts=tuple(Attempt(**{**attempt, "eps": Fraction(attempt["eps"])}) for attempt in kept["attempts"]),
        probed=tuple(Flag(**flag) for flag in kept["probed"]),
        **tensors,
    )
