"""A study: which values are tried next, from what came of those before.

Optuna's TPE chooses, for the lowest loss and the lowest bound at once, or for the lowest loss under a target for the
bound. All of it follows from its seed and the rows that it is told, so a study that was stopped is asked and told again
and goes on as if it had not been.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lipcert.errors import UsageError
from lipcert.sweeps.trial import PROVED, Trial
from lipcert.workspace.recipe_keys import keys
from lipcert.workspace.sweep import Change, Range

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Search = Mapping[str, Range | list[Any]]

SCALE = "logit_scale"
"""The key by which a bound is moved: with the same weights, and no cap on the logits, it is proportional to it."""

_AIM = 0.98
"""Of the target: weights that are trained under smaller logits grow towards their caps, and the bound with them."""

_DIGITS = 3
_ZERO = -300.0
"""Stands for the logarithm of a bound of 0."""


class Study:
    """target: for the proved bound; None for the frontier."""

    def __init__(self, search: Search, seed: int, target: Fraction | None) -> None:
        """Raises UsageError where optuna is not installed."""
        optuna = _optuna()
        loud = optuna.logging.get_verbosity()
        kinds = {key.name: key.kind for key in keys()}
        self._search, self._target = search, target
        self._space = {name: _distribution(space, kinds[name]) for name, space in search.items()}
        directions = ["minimize"] if target is not None else ["minimize", "minimize"]
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=2 * len(search))
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it says on stderr that it made a study
        self._study = optuna.create_study(directions=directions, sampler=sampler)
        optuna.logging.set_verbosity(loud)
        self._asked: list[Any] = []

    def ask(self, count: int) -> list[Change]:
        """The next values to try."""
        fresh = [self._study.ask(self._space) for _ in range(count)]
        self._asked += fresh
        return [{name: self._value(name, value) for name, value in each.params.items()} for each in fresh]

    def tell(self, rows: Sequence[Trial]) -> None:
        """What came of the values that were asked for last, in their order."""
        for asked, row in zip(self._asked[-len(rows) :], rows, strict=True):
            self._tell(asked, row)
        if self._target is not None:
            for asked, row in zip(self._asked[-len(rows) :], rows, strict=True):
                self._follow(asked.params, row, self._target)

    def _tell(self, asked: Any, row: Trial) -> None:
        """A row without a bound is told as one that was broken off: there is no number that it could stand for."""
        from optuna.trial import TrialState

        if row["status"] != PROVED:
            self._study.tell(asked, state=TrialState.PRUNED)
            return
        loss, bound = row["validation_loss"], max(_log10(row), _ZERO)
        if self._target is None:
            self._study.tell(asked, [loss, bound])
        else:
            asked.set_constraint("bound", bound - log10_of(self._target))
            self._study.tell(asked, loss)

    def _follow(self, params: Mapping[str, Any], row: Trial, target: Fraction) -> None:
        """After a bound above the target, the same values with logits so much smaller, where they may be."""
        space = self._search.get(SCALE)
        if row["status"] != PROVED or reaches(row, target) or not isinstance(space, Range):
            return
        aimed = params[SCALE] * _AIM * 10 ** (log10_of(target) - _log10(row))
        if aimed >= space.low:
            self._study.enqueue_trial({**params, SCALE: aimed})

    def _value(self, name: str, value: Any) -> Any:
        """As it stands in a recipe: a choice, or a number that people can read."""
        space = self._search[name]
        if not isinstance(space, Range):
            return space[value]
        if isinstance(value, int):
            return value
        return min(max(float(f"{value:.{_DIGITS}g}"), space.low), space.high)


def reaches(row: Trial, target: Fraction) -> bool:
    """Whether the bound that is proved of this very network is at most the target."""
    from flint import arb, fmpq

    from lipcert.norms import ball

    return row["status"] == PROVED and bool(ball.from_text(row["upper"]) <= arb(fmpq(*target.as_integer_ratio())))


def log10_of(target: Fraction) -> float:
    """Also of what is no float."""
    return math.log10(target.numerator) - math.log10(target.denominator)


def _log10(row: Trial) -> float:
    return -math.inf if row["log10_upper"] is None else float(row["log10_upper"])


def _distribution(space: Range | list[Any], kind: str) -> "BaseDistribution":
    """Choices by their place: Optuna takes no lists."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(space, Range):
        return CategoricalDistribution(range(len(space)))
    if kind == "whole number":
        return IntDistribution(int(space.low), int(space.high), log=space.log)
    return FloatDistribution(space.low, space.high, log=space.log)


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError:
        raise UsageError(
            "a search needs the package optuna, which is not installed", hint="pip install 'lipcert[sweep]'"
        ) from None
    return optuna
