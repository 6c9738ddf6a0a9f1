"""The attacks by name, and how a name finds its function."""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial

from torch import Tensor

from lipcert import named
from lipcert.attacks.apgd import apgd, apgd_targeted
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.gradient import fgsm, pgd
from lipcert.attacks.loss import cross_entropy, dlr
from lipcert.attacks.minimal import minimal
from lipcert.attacks.square import square
from lipcert.attacks.target import Target
from lipcert.attacks.zoo import require_known, zoo
from lipcert.errors import UsageError

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
    attack: Attack = named.find(name, f"attack {name}", "Define it: (target, x, y, budget, effort, generator) -> x'.")
    return attack  # what it returns is measured again
