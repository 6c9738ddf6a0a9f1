"""What a sweep is to try, checked before anything is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from typing import Any

from lipcert.errors import LipcertError, UsageError
from lipcert.sweeps.study import SCALE, Search
from lipcert.sweeps.trial import SECONDS, Base
from lipcert.workspace.exact import parse_exact
from lipcert.workspace.load import Workspace
from lipcert.workspace.sweep import Change, Range, Sweep, search_problems
from lipcert.workspace.sweep import sweep as named

FOR_TARGET: Search = {
    "w_max": Range(low=0.3, high=2.0, log=True),
    SCALE: Range(low=0.5, high=128.0, log=True),
    "attention_scale": Range(low=1.0, high=64.0, log=True),
}
"""What is chosen for a bound that is wanted, unless the sweep says otherwise."""


@dataclass(frozen=True)
class Plan:
    """points: the trials of a grid; None for a study, which `search` and the numbers after it are of."""

    name: str
    base: Base
    points: tuple[Change, ...] | None
    search: Search
    trials: int
    together: int
    seed: int
    target: Fraction | None

    @property
    def swept(self) -> list[str]:
        """The keys that are varied, in the order in which they were named."""
        named = [key for point in self.points for key in point] if self.points is not None else list(self.search)
        return list(dict.fromkeys(named))

    def header(self) -> dict[str, Any]:
        """All that the results depend on. Of a study, not the number of its trials: it may be given more."""
        packages = ["torch", *(["optuna"] if self.points is None else [])]
        asked = {key: value for key, value in self.to_json().items() if self.points is not None or key != "trials"}
        return {
            "recipe_name": self.base.name, "recipe": dict(self.base.table), "seconds": SECONDS, **asked,
            "versions": {name: version(name) for name in packages},
        }  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The `plan` of sweep.json."""
        if self.points is not None:
            return {"kind": "grid", "trials": self.trials, "points": list(self.points)}
        return {
            "kind": "study", "trials": self.trials, "together": self.together, "seed": self.seed,
            "search": {name: _described(space) for name, space in self.search.items()},
            "target_bound": None if self.target is None else str(self.target),
        }  # fmt: skip


def plan(
    workspace: Workspace,
    name: str,
    *,
    target: str | int | float | Fraction | None,
    trials: int | None,
    seed: int | None,
) -> Plan:
    """[sweep.NAME] of a workspace, with what a caller says instead.

    Raises UsageError where there is none of this name, where a grid is to be a study, a target is no number above 0, or
    the recipe has not the keys that are to be chosen.
    """
    found = named(workspace, name)
    base = Base(found.recipe, workspace.settings.train[found.recipe].to_json())
    wanted = None if target is None else _target(target)
    if found.grid is not None:
        _require_grid(name, target=wanted, trials=trials, seed=seed)
        points = tuple(found.points())
        return Plan(name, base, points, {}, len(points), 1, 0, None)
    search = _search(name, found, base, wanted)
    count, seeded = found.trials if trials is None else trials, found.seed if seed is None else seed
    return Plan(name, base, None, search, count, found.together, seeded, wanted)


def _search(name: str, found: Sweep, base: Base, target: Fraction | None) -> Search:
    if found.search is not None:
        return found.search
    if target is None:
        raise UsageError(
            f"[sweep.{name}] has neither a grid nor a search.",
            hint="Name the bound that is wanted, as in --target-bound 2, or write what is to be tried.",
        )
    problems = "\n".join(f"  {each.key}: {each.message}" for each in search_problems(dict(base.table), FOR_TARGET))
    if problems:
        raise UsageError(
            f"{', '.join(FOR_TARGET)} cannot be chosen for [train.{base.name}]:\n{problems}",
            hint=f"Write [sweep.{name}.search] with keys that it has, or name another recipe.",
        )
    return FOR_TARGET


def _require_grid(name: str, **asked: object) -> None:
    given = [key for key, value in asked.items() if value is not None]
    if given:
        raise UsageError(
            f"[sweep.{name}] is a grid, which says itself what is tried: {', '.join(given)} cannot be chosen.",
            hint="Name a sweep with [sweep.NAME.search], or one with neither for --target-bound.",
        )


def _target(target: str | int | float | Fraction) -> Fraction:
    try:
        exact = parse_exact(str(target))
    except ValueError as error:
        raise _no_target(target) from error
    if not exact > 0:
        raise _no_target(target)
    return exact


def _no_target(target: object) -> LipcertError:
    return UsageError(f"{str(target)[:40]!r} is no bound to reach.", hint="Write a number above 0, such as 2.")


def _described(space: Range | list[Any]) -> Mapping[str, Any]:
    return space.model_dump() if isinstance(space, Range) else {"choices": space}
