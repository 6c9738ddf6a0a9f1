"""`--arch`: the user's own code that builds the network, the one place where naming code executes it."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lipcert.errors import InputError, UsageError

STUB = """\
import torch
from torch import nn

def net():
    module = nn.Sequential(...)                 # as in training
    return module, torch.rand(1, 1, 28, 28)     # and an input: a batch of one
"""


def build(arch: str) -> tuple[nn.Module, tuple[Tensor, ...] | None]:
    """Calls `package.module:function` or `file.py:function` without arguments.

    It returns the module, or the module and its example inputs (a tensor or a tuple of tensors, batch
    dimension included). Raises UsageError when there is no such function, InputError when it fails or
    returns anything else.
    """
    place, colon, name = arch.rpartition(":")
    if not colon or not place or not name.isidentifier():
        raise UsageError(
            f"--arch {arch!r} is neither package.module:function nor file.py:function",
            hint=f"For example --arch net.py:net, where net.py is\n\n{STUB}",
        )
    with _working_directory_importable():
        function = _member(_import(place, arch), name, arch)
        try:
            result = function()  # type: ignore[operator]
        except Exception as error:
            raise InputError(
                f"--arch {arch} raised {type(error).__name__}: {error}",
                hint="It is called without arguments and must return a torch.nn.Module.",
            ) from error
    return _checked(result, arch)


@contextmanager
def _working_directory_importable() -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def _import(place: str, arch: str) -> ModuleType:
    try:
        return _import_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise UsageError(f"--arch {arch}: {error}", hint=f"It is looked for from {Path.cwd()}.") from error
    except Exception as error:
        raise InputError(f"--arch {arch}: importing it raised {type(error).__name__}: {error}") from error


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(f"_arch_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _member(module: ModuleType, name: str, arch: str) -> object:
    function = getattr(module, name, None)
    if callable(function):
        return function
    known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    near = get_close_matches(name, known, n=1) or known[:5]
    raise UsageError(
        f"--arch {arch}: {module.__name__} has no function {name}",
        hint=f"Did you mean {', '.join(near)}?" if near else "It defines no functions.",
    )


def _checked(result: object, arch: str) -> tuple[nn.Module, tuple[Tensor, ...] | None]:
    module, examples = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
    if not isinstance(module, nn.Module):
        raise InputError(
            f"--arch {arch} returned {type(module).__name__}, and a torch.nn.Module is needed",
            hint="Return the module, or (module, example_inputs).",
        )
    if any(is_lazy(parameter) for parameter in module.parameters()):
        raise InputError(
            f"--arch {arch} returned a module with lazy parameters, whose shapes are not known yet",
            hint="Call the module once on an example input before returning it.",
        )
    if examples is None:
        return module, None
    examples = (examples,) if isinstance(examples, Tensor) else examples
    if not isinstance(examples, tuple | list) or not examples or not all(isinstance(x, Tensor) for x in examples):
        raise InputError(
            f"--arch {arch} returned example inputs that are neither a tensor nor a tuple of tensors",
            hint="Return (module, torch.rand(1, 1, 28, 28)), for instance.",
        )
    return module, tuple(examples)
