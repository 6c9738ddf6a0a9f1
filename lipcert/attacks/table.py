"""The attacks by name, and how a name finds its function."""

import importlib
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from torch import Tensor

from lipcert.attacks.apgd import apgd, apgd_targeted
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.gradient import fgsm, pgd
from lipcert.attacks.loss import cross_entropy, dlr
from lipcert.attacks.minimal import minimal
from lipcert.attacks.square import square
from lipcert.attacks.target import Target
from lipcert.attacks.zoo import require_known, zoo
from lipcert.errors import InputError, UsageError

Attack = Callable[[Target, Tensor, Tensor, Budget, Effort, Draws], Tensor]
"""(target, x, y, budget, effort, generator) → x', a row for each row of x. Nothing that it returns is trusted."""

ATTACKS: dict[str, Attack] = {
    "fgsm": fgsm,
    "pgd": pgd,
    "apgd-ce": partial(apgd, loss=cross_entropy),
    "apgd-dlr": partial(apgd, loss=dlr),
    "apgd-t": apgd_targeted,
    "minimal": minimal,
    "square": square,
    "pgd-momentum": partial(pgd, momentum=0.75),
}
"""Their names are also in lipcert.workspace.schema, which imports no room."""

NEAREST = frozenset({"minimal"})
"""Attacks that look for the nearest fooling input: one run serves every eps."""

_ZOO = "torchattacks"


def find(name: str) -> Attack:
    """The attack of this name: one of ATTACKS, "torchattacks:NAME" or your "package.module:function".

    Raises UsageError where there is none, InputError where importing it fails.
    """
    if ":" not in name:
        if name not in ATTACKS:
            near = get_close_matches(name, ATTACKS, n=1) or list(ATTACKS)
            raise UsageError(f"there is no attack {name!r}.", hint=f"Perhaps {', '.join(near)}?")
        return ATTACKS[name]
    place, _, function = name.partition(":")
    if place == _ZOO:
        require_known(function)
        return partial(zoo, function)
    return _imported(place, function)


def _imported(place: str, function: str) -> Attack:
    """A user's function, looked for from the working directory too."""
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError as error:
        raise UsageError(f"attack {place}:{function}: {error}", hint=f"It is looked for from {Path.cwd()}.") from error
    except Exception as error:
        raise InputError(f"attack {place}:{function}: importing it raised {type(error).__name__}: {error}") from error
    finally:
        sys.path[:] = before
    attack = getattr(module, function, None)
    if not callable(attack):
        near = get_close_matches(function, [key for key, value in vars(module).items() if callable(value)])
        raise UsageError(
            f"{place} has no function {function}.",
            hint=f"Did you mean {near[0]}?" if near else "Define it: (target, x, y, budget, effort, generator) -> x'.",
        )
    return attack  # type: ignore[no-any-return]  # what it returns is measured again
