"""gate-baseline.json: what the rules read when the baseline was last written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from lipcert.errors import InputError
from lipcert.reports.quantities import Reading, Standing
from lipcert.store.atomic import write_json
from lipcert.store.schema import SCHEMA_VERSION, read_json
from lipcert.workspace.gate import Gate

BASELINE_FILE = "gate-baseline.json"

Key = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """weights: one hash for all of them, of the network that it was read from."""

    value: Decimal
    standing: Standing
    claim: str
    weights: str

    @classmethod
    def of(cls, reading: Reading, weights: str) -> "Entry":
        return cls(reading.value, reading.standing, reading.claim, weights)


def read_baseline(path: Path) -> dict[Key, Entry]:
    """By the key of the rule; empty where there is no file. Raises InputError where it is no baseline."""
    if not path.exists():
        return {}
    found = {}
    for rule in read_json(path, "baseline")["rules"]:
        standing = cast(Standing, rule["standing"])
        if _key(rule) in found:
            raise InputError(
                f"{path} has {rule['quantity']} of {rule['model']} twice.",
                hint="Leave the right one, or write all anew: lipcert gate --update-baseline",
            )
        found[_key(rule)] = Entry(Decimal(rule["value"]), standing, rule["claim"], rule["weights_sha256"])
    return found


def write_baseline(path: Path, rules: Sequence[tuple[Gate, Entry]]) -> None:
    """Replace the baseline. Raises OutputError where it cannot be written."""
    entries = [_to_json(rule, entry) for rule, entry in rules]
    write_json(path, {"schema_version": SCHEMA_VERSION, "kind": "baseline", "rules": entries}, overwrite=True)


def _to_json(rule: Gate, entry: Entry) -> dict[str, Any]:
    return {
        "model": rule.model, "quantity": rule.quantity, "eps": None if rule.eps is None else str(rule.eps),
        "suite": rule.suite, "examples": rule.examples, "value": f"{entry.value:e}", "standing": entry.standing,
        "claim": entry.claim, "weights_sha256": entry.weights,
    }  # fmt: skip


def _key(rule: Mapping[str, Any]) -> Key:
    """As `Gate.key`."""
    parts = (rule[name] for name in ("model", "quantity", "eps", "suite", "examples"))
    return tuple("" if part is None else str(part) for part in parts)
