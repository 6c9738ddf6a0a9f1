"""What a user names: functions, `package.module:function` or `file.py:function`, where naming one executes its module;
and the folder that files and functions are named from.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from lipcert.errors import InputError, UsageError

_FOLDER: ContextVar[Path] = ContextVar("folder", default=Path())


@contextmanager
def named_from(folder: Path) -> Iterator[None]:
    """Within this, and in this thread alone, `here` is `folder` and not the working directory."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def here(path: str | Path = "") -> Path:
    """A path as a user wrote it, from the folder that it is named from."""
    return _FOLDER.get() / path


@contextmanager
def importable_from_here() -> Iterator[None]:
    """Within this, modules of that folder can be imported."""
    before = list(sys.path)
    sys.path.insert(0, str(here().absolute()))
    try:
        yield
    finally:
        sys.path[:] = before


def find(spec: str, where: str, hint: str) -> Callable[..., Any]:
    """The function that `spec` names; call it within `importable_from_here` if it imports more.

    where: what the user wrote, with which messages begin. hint: what the function should be, for a module without it.
    Raises UsageError where there is no such module or function, InputError where importing it fails.
    """
    place, _, name = spec.rpartition(":")
    with importable_from_here():
        module = _module(place, where)
    function = getattr(module, name, None)
    if callable(function):
        found: Callable[..., Any] = function
        return found
    known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    near = get_close_matches(name, known, n=1) or known[:5]
    raise UsageError(
        f"{where}: {module.__name__} has no function {name}.", hint=f"Did you mean {', '.join(near)}?" if near else hint
    )


def _module(place: str, where: str) -> ModuleType:
    try:
        return _file(here(place)) if place.endswith(".py") else importlib.import_module(place)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise UsageError(f"{where}: {error}", hint=f"It is looked for from {here().absolute()}.") from error
    except Exception as error:
        raise InputError(f"{where}: importing it raised {type(error).__name__}: {error}") from error


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(f"_named_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module
