"""What a shell completes: names in the workspace of the current folder, read and not checked, so that a key is answered
at once. Where nothing can be read, nothing is offered."""

import tomllib
from pathlib import Path

NORMS = ("l2", "linf", "token-l2", "token-rms")


def models() -> list[str]:
    return _tables("models")


def recipes() -> list[str]:
    return _tables("train")


def sweeps() -> list[str]:
    return _tables("sweep")


def suites() -> list[str]:
    return sorted(file.stem for file in Path("attacks").glob("*.toml"))


def norms() -> list[str]:
    return list(NORMS)


def attacks() -> list[str]:
    from lipcert.workspace.schema import ATTACK_NAMES

    return list(ATTACK_NAMES)


def _tables(kind: str) -> list[str]:
    """The names of [KIND.NAME] in lipcert.toml."""
    try:
        found = tomllib.loads(Path("lipcert.toml").read_text(encoding="utf-8")).get(kind, {})
    except (OSError, ValueError):
        return []
    return list(found) if isinstance(found, dict) else []
