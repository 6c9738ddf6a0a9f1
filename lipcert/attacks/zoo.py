"""torchattacks, behind one adapter: attacks on images by the names that it gives them.

It knows images in [0, 1] only and says nothing about others; here the range of the budget is mapped to [0, 1] and eps
with it. It changes modes, prints, and draws from global generators; here it gets a module of its own that calls the
target, no output, and generators that are put back. Its random numbers belong to a batch, and not to an example.
"""

import contextlib
import importlib
import inspect
import io
import random
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lipcert.attacks.ball import Ball, wide
from lipcert.attacks.budget import Budget, Effort
from lipcert.attacks.draws import Draws
from lipcert.attacks.target import Target
from lipcert.errors import UnsupportedError, UsageError

INSTALL = "pip install --no-deps torchattacks==3.5.1"
_NORM = {"linf": "Linf", "l2": "L2"}

_LINF, _L2 = ("linf",), ("l2",)
ZOO: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("FGSM", "BIM", "RFGSM", "PGD", "EOTPGD", "FFGSM", "TPGD", "MIFGSM", "UPGD", "DIFGSM"), _LINF),
    **dict.fromkeys(("TIFGSM", "Jitter", "NIFGSM", "PGDRS", "SINIFGSM", "VMIFGSM", "VNIFGSM", "SPSA"), _LINF),
    **dict.fromkeys(("PIFGSM", "PIFGSMPP"), _LINF),
    **dict.fromkeys(("CW", "PGDL2", "DeepFool", "PGDRSL2"), _L2),
    **dict.fromkeys(("APGD", "APGDT", "FAB", "AutoAttack", "Square"), _LINF + _L2),
}
"""Its attacks, and the norms that their budgets are in. CW and DeepFool have none: what they find counts within eps."""


def zoo(name: str, target: Target, x: Tensor, y: Tensor, budget: Budget, effort: Effort, generator: Draws) -> Tensor:
    """The attack "torchattacks:NAME" on images (batch, channels, height, width); x where it ends outside the budget.

    effort: steps, restarts and queries where the attack takes such arguments; AutoAttack takes none.
    Raises UnsupportedError where the attack does not fit norm or inputs, or fails.
    """
    low, high = _range(name, target, x, budget)
    unit = _Unit(target, low, high - low, x)
    with _contained(generator.seed()), torch.enable_grad():
        with torch.no_grad():
            classes = target(x[:1]).shape[-1]
        try:
            attack = _made(name, unit, budget, effort, high - low, classes)
            found = attack(((x - low) / (high - low)).clamp(0, 1), y).detach()
        except Exception as error:  # torchattacks raises many kinds for inputs that it was not written for
            raise UnsupportedError(
                f"failed with {type(error).__name__}: {error}", hint="Leave it out for this network."
            ) from error
    points = low + (high - low) * found
    return _within(x, points, budget)


def require_known(name: str) -> None:
    """Raises UsageError where torchattacks has no such attack, or is not installed."""
    if name not in ZOO:
        near = get_close_matches(name, ZOO, n=1) or list(ZOO)
        raise UsageError(f"there is no attack torchattacks:{name}.", hint=f"Perhaps {', '.join(near)}?")
    _package()


def _package() -> ModuleType:
    try:
        return importlib.import_module("torchattacks")
    except ModuleNotFoundError as error:
        raise UsageError(f"torchattacks is missing: {error}.", hint=f"Install it: {INSTALL}") from error


class _Unit(nn.Module):
    """The target as a function of images in [0, 1], with a parameter only because a device is looked for in one."""

    def __init__(self, target: Target, low: float, width: float, x: Tensor) -> None:
        super().__init__()
        self.device = nn.Parameter(x.new_zeros(()), requires_grad=False)
        self.target, self.low, self.width = target, low, width
        self.eval()

    def forward(self, unit: Tensor) -> Tensor:
        x = self.low + self.width * unit
        if x.requires_grad:
            x.register_hook(self._count)  # type: ignore[no-untyped-call]
        return self.target(x)

    def _count(self, gradient: Tensor) -> Tensor:
        self.target.passes.backward += len(gradient)
        return gradient.contiguous()  # some attacks take a view of it


def _range(name: str, target: Target, x: Tensor, budget: Budget) -> tuple[float, float]:
    if budget.norm.name not in ZOO[name]:
        raise UnsupportedError(f"it knows no budget in {budget.norm.name}.", hint=f"It has {', '.join(ZOO[name])}.")
    if x.dim() != 4 or target.place is not None or target.context or budget.positions is not None:
        raise UnsupportedError(
            f"torchattacks attacks images, (batch, channels, height, width), and here {tuple(x.shape)} are perturbed.",
            hint="Use lipcert's own attacks: apgd-ce, apgd-t, minimal, square.",
        )
    if budget.low is None or budget.high is None:
        raise UnsupportedError(
            "torchattacks needs the range of the pixels, and none is given.", hint="State it: range = [0, 1]."
        )
    return budget.low, budget.high


def _made(name: str, unit: nn.Module, budget: Budget, effort: Effort, width: float, classes: int) -> Any:
    """The attack object, given those of our arguments that it takes. Step lengths are in its own ratio to eps."""
    kind, eps = getattr(_package(), name), budget.radius / width
    ours = {
        "eps": eps,
        "max_epsilon": eps,
        "norm": _NORM[budget.norm.name],
        "n_classes": classes,
        "steps": effort.steps,
        "num_iter_set": effort.steps,
        "nb_iter": effort.steps,
        "alpha": 1.25 * eps if name == "FFGSM" else 2.5 * eps / effort.steps,
        "n_restarts": effort.restarts,
        "n_queries": effort.queries,
        "seed": torch.initial_seed(),
    }
    taken = inspect.signature(kind.__init__).parameters
    return kind(unit, **{key: value for key, value in ours.items() if key in taken})


@contextlib.contextmanager
def _contained(seed: int) -> Iterator[None]:
    """Global generators seeded, and afterwards as before; nothing printed."""
    ours, numpys = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(), contextlib.redirect_stdout(io.StringIO()):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(ours)
            np.random.set_state(numpys)


def _within(x: Tensor, points: Tensor, budget: Budget) -> Tensor:
    """Points that are outside by more than rounding are no cheat, where an attack knows no eps: they just failed."""
    size = budget.norm.of(points.double() - x.double())
    return torch.where(wide(size <= budget.radius * 1.001, x), Ball.of(budget, x).fit(points), x)
