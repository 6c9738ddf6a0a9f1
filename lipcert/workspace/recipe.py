"""`[train.NAME]`: a training recipe. Its keys and those of its architecture's arguments stand side by side."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, model_validator

from lipcert.errors import InputError, LipcertError, UsageError
from lipcert.workspace.recipe_arguments import check_arguments, complete
from lipcert.workspace.recipe_fields import Fields
from lipcert.workspace.table import Found, Problems, complaints, nearest, plain

if TYPE_CHECKING:
    from lipcert.workspace.load import Workspace

_OWN = frozenset(Fields.model_fields)


class Recipe(Fields):
    """A flat table, validated: its own keys are fields, those of its architecture are in `arguments`.

    arguments: with their defaults, and without those that are left to the data.
    """

    arguments: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _from_flat(cls, table: Any, build: Callable[[Any], "Recipe"]) -> "Recipe":
        """Raises Problems."""
        if not isinstance(table, dict):
            return build(table)
        flat, found = {key: plain(value) for key, value in table.items()}, list[Found]()
        own = {key: value for key, value in flat.items() if key in _OWN}
        rest = {key: value for key, value in flat.items() if key not in _OWN}
        arguments = check_arguments(flat.get("model"), rest, list(_OWN), found)
        try:
            recipe = build({**own, "arguments": arguments})
        except ValidationError as error:
            raise Problems([*complaints(error), *found]) from error
        found += recipe.contradictions()
        if found:
            raise Problems(found)
        return recipe

    @classmethod
    def of(cls, table: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> "Recipe":
        """From a flat table, and what flags say instead; with another model, none of the table's arguments stay.

        Raises InputError for a table that is wrong, UsageError where flags have changed it; both list all that is.
        """
        changes = changes or {}
        try:
            return cls.model_validate(changed(table, changes))
        except ValidationError as error:
            raise _refusal(complaints(error), flags=bool(changes)) from error

    def to_json(self) -> dict[str, Any]:
        """The flat table with its defaults, in plain JSON; `of` makes the same recipe of it."""
        own: dict[str, Any] = self.model_dump(mode="json", exclude={"arguments"})
        return own | self.arguments

    def complete(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """All arguments of the architecture.

        facts: what the data say, of vocabulary (tokens), classes, and shape (of an input, without the batch).
        Raises InputError where they do not say what the architecture needs, or something else than the recipe.
        """
        return complete(self.model, self.arguments, facts)


def changed(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A flat table with these values; with another model, none of its arguments stay."""
    same = changes.get("model", table.get("model")) == table.get("model")
    return {key: value for key, value in table.items() if same or key in _OWN} | dict(changes)


def recipe(workspace: "Workspace", name: str) -> Recipe:
    """A recipe of a workspace. Raises UsageError that names the nearest one there is."""
    known = workspace.settings.train
    if name in known:
        return known[name]
    hint = nearest(name, known)
    raise UsageError(f"there is no [train.{name}] in lipcert.toml.", hint=f"{hint[0].upper()}{hint[1:]}")


def _refusal(found: list[Found], *, flags: bool) -> LipcertError:
    if not flags:
        listed = "\n".join(f"  {': '.join(filter(None, each))}" for each in found)
        return InputError(f"the recipe is not valid:\n{listed}", hint="docs/recipes.md says what may stand in one.")
    listed = "\n".join(f"  {_flag(key)}{message}" for key, message in found)
    return UsageError(
        f"the recipe is not valid with these flags:\n{listed}",
        hint="`lipcert train --help` lists the flags; `none` as a value takes the recipe's away.",
    )


def _flag(key: str) -> str:
    name = key.partition(".")[0].replace("_", "-")
    return f"--{name}: " if name else ""
