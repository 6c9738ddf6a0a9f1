"""`[sweep.NAME]`: a recipe, and which values of its keys are tried: all of a grid, or those that a study asks for."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice, product
from math import prod
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, PositiveInt, ValidationError, model_validator

from lipcert.errors import UsageError
from lipcert.workspace.recipe import Recipe, changed
from lipcert.workspace.recipe_fields import Seed
from lipcert.workspace.recipe_keys import Key, keys
from lipcert.workspace.table import Found, Problems, Table, complaints, nearest, plain

if TYPE_CHECKING:
    from lipcert.workspace.load import Workspace

MOST = 10_000
"""Trials of a grid, and corners of a search, that are looked through."""

_NUMBERS = ("number", "whole number")
_NOT_SWEPT = {"out": "every trial has a folder of its own, which is gone when it ends"}


class Range(Table):
    """All numbers from low to high; log: every factor is as likely as any other, instead of every difference."""

    low: Annotated[float, BeforeValidator(plain), Field(allow_inf_nan=False)]
    high: Annotated[float, BeforeValidator(plain), Field(allow_inf_nan=False)]
    log: bool = False

    @model_validator(mode="after")
    def _is_range(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} is not below high = {self.high:g}")
        if self.log and not self.low > 0:
            raise ValueError(f"low = {self.low:g}: with log = true it has to be above 0")
        return self


def _values(value: object) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ValueError("write a list of values, such as [1, 1.5, 2]")
    return [plain(each) for each in value]


def _space(value: object) -> "Range | list[Any]":
    """Raises Problems."""
    if not isinstance(value, dict):
        return _values(value)
    try:
        return Range.model_validate(value)
    except ValidationError as error:
        raise Problems(complaints(error)) from error


Values = Annotated[list[Any], PlainValidator(_values)]
Space = Annotated[Range | list[Any], PlainValidator(_space)]
Change = dict[str, Any]
"""Values of recipe keys in place of the recipe's."""


class Sweep(Table):
    """recipe: a [train.NAME]. grid: tables of lists, each standing for all their combinations. search: what a study
    chooses from. trials: of a study, `together` of which are asked for at once, however many workers there are. seed:
    of the study's choices.

    With neither grid nor search it is for `--target-bound` alone.
    """

    recipe: str
    grid: Annotated[list[dict[str, Values]], Field(min_length=1)] | None = None
    search: Annotated[dict[str, Space], Field(min_length=1)] | None = None
    trials: PositiveInt = 32
    together: PositiveInt = 4
    seed: Seed = 0

    @model_validator(mode="after")
    def _one_way(self) -> "Sweep":
        if self.grid is None:
            return self
        if self.search is not None:
            raise Problems([Found("search", "stands beside a grid: leave one of them out")])
        studied = self.model_fields_set & {"trials", "together", "seed"}
        if studied:
            raise Problems([Found(key, "belongs to a search; a grid says itself what is tried") for key in studied])
        return self

    def points(self) -> list[Change]:
        """The trials of a grid, in the order of its tables, the last key changing first."""
        return list(chain.from_iterable(map(_combined, self.grid or [])))


def sweep(workspace: "Workspace", name: str) -> Sweep:
    """A sweep of a workspace. Raises UsageError that names the nearest one there is."""
    known = workspace.settings.sweep
    if name in known:
        return known[name]
    hint = nearest(name, known)
    raise UsageError(f"there is no [sweep.{name}] in lipcert.toml.", hint=f"{hint[0].upper()}{hint[1:]}")


def sweep_problems(sweep: Sweep, recipes: Mapping[str, Recipe]) -> Iterator[Found]:
    """What is wrong in a sweep beside its own keys: its recipe, and values that make no valid one of it."""
    if sweep.recipe not in recipes:
        yield Found("recipe", f"there is no [train.{sweep.recipe}]; {nearest(sweep.recipe, recipes)}")
        return
    table = recipes[sweep.recipe].to_json()
    yield from search_problems(table, sweep.search or {})
    seen: dict[str, str] = {}
    for number, lists in enumerate(sweep.grid or []):
        yield from _grid_problems(table, f"grid.{number}", lists, seen)


def search_problems(table: Change, search: Mapping[str, Range | list[Any]]) -> Iterator[Found]:
    """What is wrong with the keys of a search over this flat recipe, and with the corners of what it spans."""
    known = {key.name: key for key in keys()}
    ends: dict[str, list[Any]] = {}
    for name, space in search.items():
        bad = list(_range_problems(name, known[name], space)) if isinstance(space, Range) and name in known else []
        yield from bad
        if not bad:
            ends[name] = _ends(space, whole=name in known and known[name].kind == "whole number")
    yield from _corner_problems(table, "search", ends)


def _range_problems(name: str, key: Key, space: Range) -> Iterator[Found]:
    if key.kind not in _NUMBERS:
        yield Found(f"search.{name}", f"is {key.kind}, and no number: write a list of choices")
    elif key.kind == "whole number" and not (space.low.is_integer() and space.high.is_integer()):
        yield Found(f"search.{name}", "is a whole number: so have low and high to be")


def _ends(space: Range | list[Any], *, whole: bool) -> list[Any]:
    if not isinstance(space, Range):
        return space
    return [int(space.low), int(space.high)] if whole else [space.low, space.high]


def _grid_problems(table: Change, path: str, lists: Mapping[str, list[Any]], seen: dict[str, str]) -> Iterator[Found]:
    """seen: the whole recipes of the tables before, and where they stood."""
    bad = list(_corner_problems(table, path, lists))
    yield from bad
    for change in [] if bad else _combined(lists):
        recipe = Recipe.of(table, change).model_dump_json()
        if recipe in seen:
            yield Found(path, f"{_shown(change)} is what {seen[recipe]} tries already")
        seen.setdefault(recipe, path)


def _corner_problems(table: Change, path: str, lists: Mapping[str, list[Any]]) -> Iterator[Found]:
    """Every complaint once, with the first values that it is about."""
    yield from (Found(f"{path}.{key}", why) for key, why in _NOT_SWEPT.items() if key in lists)
    if prod(map(len, lists.values())) > MOST:
        yield Found(path, f"these are more than {MOST} combinations")
        return
    told = set[Found]()
    for change in _combined({key: values for key, values in lists.items() if key not in _NOT_SWEPT}):
        fresh = [found for found in _refused(table, change) if found not in told]
        told |= set(fresh)
        for found in fresh:
            beside = "" if found.key.partition(".")[0] in change else f" (with {_shown(change)})"
            yield Found(".".join(filter(None, (path, found.key))), f"{found.message}{beside}")


def _refused(table: Change, change: Change) -> list[Found]:
    try:
        Recipe.model_validate(changed(table, change))
    except ValidationError as error:
        return complaints(error)
    return []


def _combined(lists: Mapping[str, list[Any]]) -> Iterator[Change]:
    return (dict(zip(lists, values, strict=True)) for values in islice(product(*lists.values()), MOST))


def _shown(change: Change) -> str:
    return ", ".join(f"{key} = {value!r}" for key, value in change.items())
