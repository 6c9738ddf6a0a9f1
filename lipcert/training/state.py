"""Where a run stands, in one file, from which it goes on exactly as if it had not been stopped."""

import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lipcert.errors import InputError
from lipcert.store.atomic import write_bytes

STATE = "state.pt"
VERSION = 1

_FREE = ("out", "device")
"""What a resumed run may have otherwise than before."""

_TOLD = ("recipe", "data")
"""Stored as JSON."""

_SHOWN = 60


@dataclass
class State:
    """step: how many are done. losses: the last ones. seconds: spent so far.

    data: what the examples and their tokens are. recipe: flat, as `Recipe.to_json` has it.
    """

    recipe: Mapping[str, Any]
    data: Mapping[str, Any]
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    model: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)


def write_state(folder: Path, state: State) -> None:
    """Replace the state in a folder, whole or not at all. Raises OutputError where it cannot be written."""
    buffer = io.BytesIO()
    told = {key: json.dumps(dict(getattr(state, key))) for key in _TOLD}
    torch.save({**vars(state), **told, "version": VERSION}, buffer)
    write_bytes(folder / STATE, buffer.getvalue(), overwrite=True)


def read_state(folder: Path) -> State:
    """Raises InputError where there is none, or what is there is none of this version."""
    path = folder / STATE
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", hint="Without --resume the run begins anew.") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise InputError(f"{path} is no state of a run: {error}", hint="Begin anew with --force.") from error
    if not isinstance(content, dict) or content.pop("version", None) != VERSION:
        raise InputError(f"{path} is no state that this lipcert reads", hint="Begin anew with --force.")
    try:
        told = {key: json.loads(content.pop(key)) for key in _TOLD}
        return State(**told, **content)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no state of a run: {error!r}", hint="Begin anew with --force.") from error


def require_same(there: State, recipe: Mapping[str, Any], data: Mapping[str, Any], folder: Path) -> None:
    """Raises InputError that lists what differs between the run in a folder and what is to be resumed."""
    lines = [
        f"  {key}: {_short(old.get(key))} there, {_short(new.get(key))} now"
        for old, new in ((there.recipe, recipe), (there.data, data))
        for key in dict.fromkeys([*old, *new])
        if key not in _FREE and old.get(key) != new.get(key)
    ]
    if lines:
        listed = "\n".join(lines)
        raise InputError(
            f"{folder} holds another run:\n{listed}",
            hint="Resume it with its own recipe, or name another folder with --out.",
        )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
