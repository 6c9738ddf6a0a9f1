"""The command line of a recipe."""

import shlex
from collections.abc import Mapping
from typing import Any


def train_command(name: str | None, changes: Mapping[str, Any], seconds: float) -> str:
    """`lipcert train` for [train.NAME] with these values, as a shell takes it. name: None where they say all."""
    parts = [name] if name is not None else []
    for key, value in changes.items():
        flag = key.replace("_", "-")
        if isinstance(value, bool):
            parts.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            parts += [f"--{flag}", _written(value)]
    return shlex.join(["lipcert", "train", *parts, "--seconds", f"{seconds:g}"])


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)
