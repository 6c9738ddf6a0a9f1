"""The arguments of a recipe's architecture: checked as far as they are known, and completed from the data."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from math import prod
from typing import Any

from pydantic import ValidationError

from lipcert.architectures.arguments import ARGUMENTS
from lipcert.errors import InputError
from lipcert.workspace.table import Found, complaints

FROM_DATA = {
    "vocabulary": "data with a vocabulary",
    "classes": "data with classes",
    "in_channels": "images of (channels, height, width)",
}
"""What a recipe may leave to its data, and which these have to be."""

_STAND_IN = 1
"""For these, while the other arguments are checked."""

_OTHER = "Name other data, or another model."


def check_arguments(model: Any, given: Mapping[str, Any], own: Iterable[str], found: list[Found]) -> dict[str, Any]:
    """The arguments with their defaults, without those that are left to the data; what is wrong is added to `found`.

    own: the keys of a recipe that are no arguments.
    """
    if not isinstance(model, str) or model not in ARGUMENTS:
        known = {key for arguments in ARGUMENTS.values() for key in arguments.model_fields}
        found += [Found(key, _unknown(key, {*known, *own})) for key in given if key not in known]
        return {}
    schema = ARGUMENTS[model]
    open_ones = [key for key in FROM_DATA if key in schema.model_fields and given.get(key) is None]
    try:
        checked = schema.model_validate({**given, **dict.fromkeys(open_ones, _STAND_IN)})
    except ValidationError as error:
        known = {*schema.model_fields, *own}
        unknown = {str(each["loc"][0]) for each in error.errors() if each["type"] == "extra_forbidden"}
        found += [Found(key, _unknown(key, known) if key in unknown else text) for key, text in complaints(error)]
        return {}
    return checked.model_dump(exclude=set(open_ones))


def _unknown(key: str, known: Iterable[str]) -> str:
    elsewhere = [f'"{name}"' for name, arguments in ARGUMENTS.items() if key in arguments.model_fields]
    if elsewhere:
        return f"belongs to model = {' or '.join(elsewhere)}"
    close = get_close_matches(key, known, n=1)
    return f"is no known key; {f'did you mean {close[0]!r}?' if close else 'docs/recipes.md lists them'}"


def complete(model: str, arguments: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of the architecture; see `Recipe.complete`."""
    if model == "mlp":
        _require_widths(arguments["widths"], facts)
        return dict(arguments)
    open_ones = [key for key in FROM_DATA if key in ARGUMENTS[model].model_fields]
    return {**arguments, **{key: _agreed(model, key, arguments.get(key), _fact(key, facts)) for key in open_ones}}


def _fact(key: str, facts: Mapping[str, Any]) -> Any:
    """What the data say of an argument, None where nothing."""
    if key != "in_channels":
        return facts.get(key)
    shape = facts.get("shape", ())
    return shape[0] if len(shape) == 3 else None


def _agreed(model: str, key: str, said: Any, fact: Any) -> Any:
    if fact is None:
        raise InputError(f"a model {model!r} needs {FROM_DATA[key]}, which these are not.", hint=_OTHER)
    if said not in (None, fact):
        raise InputError(f"{key} is {said} in the recipe and {fact} in the data.", hint="Leave it out of the recipe.")
    return fact


def _require_widths(widths: list[int], facts: Mapping[str, Any]) -> None:
    if "shape" not in facts or "classes" not in facts:
        raise InputError("a model 'mlp' needs labelled arrays, which these are not.", hint=_OTHER)
    entries, classes = prod(facts["shape"]), facts["classes"]
    if (widths[0], widths[-1]) != (entries, classes):
        raise InputError(
            f"widths {widths} do not fit data of {entries} numbers an input and {classes} classes.",
            hint=f"Write widths from {entries} to {classes}.",
        )
