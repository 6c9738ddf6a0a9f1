"""Every key that may stand in a recipe, read from the schema: what flags and docs are made of."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from lipcert.architectures.arguments import ARGUMENTS
from lipcert.workspace.recipe_arguments import FROM_DATA
from lipcert.workspace.recipe_fields import GROUPS

Kind = Literal["yes or no", "whole number", "number", "text", "list of whole numbers"]

_KINDS: dict[Any, Kind] = {
    bool: "yes or no",
    int: "whole number",
    float: "number",
    str: "text",
    list: "list of whole numbers",
}

ARGUMENTS_TITLE = "Arguments of the model"

_FROM_DATA = " [default: what the data say]"


class Key(NamedTuple):
    """models: those that have this argument; all for a key that is no argument. choices: of a text, empty where any is.

    optional: it may be None. default: None too where there is none, and where `help` says what happens then.
    """

    name: str
    title: str
    models: tuple[str, ...]
    kind: Kind
    choices: tuple[str, ...]
    required: bool
    optional: bool
    default: Any
    help: str


def keys() -> Iterator[Key]:
    """A recipe's own keys, then the arguments of each architecture; one that several have comes once for each form."""
    for group in GROUPS:
        for name, field in group.model_fields.items():
            yield _key(name, field, group.title, tuple(ARGUMENTS))
    forms: dict[str, list[Key]] = {}
    for model, schema in ARGUMENTS.items():
        for name, field in schema.model_fields.items():
            _join(forms.setdefault(name, []), _key(name, field, ARGUMENTS_TITLE, (model,)))
    for same in forms.values():
        yield from same


def _join(forms: list[Key], key: Key) -> None:
    """Add a key, or only its model where there is a form that says the same."""
    for position, form in enumerate(forms):
        if form._replace(models=()) == key._replace(models=()):
            forms[position] = form._replace(models=form.models + key.models)
            return
    forms.append(key)


def _key(name: str, field: FieldInfo, title: str, models: tuple[str, ...]) -> Key:
    kind, choices, optional = _type(field.annotation)
    from_data = title == ARGUMENTS_TITLE and name in FROM_DATA
    required = field.is_required() and not from_data
    default = None if field.is_required() else field.default
    text = f"{field.description}{_FROM_DATA if from_data else ''}"
    return Key(name, title, models, kind, choices, required, optional or from_data, default, text)


def _type(annotation: Any) -> tuple[Kind, tuple[str, ...], bool]:
    """The kind of value, the words that it is one of, and whether it may be None."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin in (Union, UnionType):
        (some,) = (each for each in inner if each is not NoneType)
        return (*_type(some)[:2], True)
    if origin is Literal:
        return "text", inner, False
    return _KINDS[origin or annotation], (), False
