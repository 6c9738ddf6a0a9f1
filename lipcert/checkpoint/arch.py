"""`--arch`: the user's own code that builds the network, the one place where naming code executes it."""

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lipcert.errors import InputError, UsageError
from lipcert.named import find, importable_from_here

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
    with importable_from_here():
        function = find(arch, f"--arch {arch}", "It defines no functions.")
        try:
            result = function()
        except Exception as error:
            raise InputError(
                f"--arch {arch} raised {type(error).__name__}: {error}",
                hint="It is called without arguments and must return a torch.nn.Module.",
            ) from error
    return _checked(result, arch)


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
