"""Reading back what lipcert wrote: strict JSON, a known version, the shape that the shipped schema states."""

import json
import math
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lipcert.errors import InputError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

SCHEMA_VERSION = 1

Kind = Literal["result", "certificate", "attack", "certify", "train", "sweep", "gate", "baseline"]

_HINT = "Name a JSON file that lipcert wrote."
_PROBLEMS_SHOWN = 5
_LONGEST_PROBLEM = 300


@cache
def load_schema(name: Kind | Literal["common"]) -> dict[str, Any]:
    """The JSON Schema (2020-12) that is shipped for this kind of file, or what the kinds have in common."""
    text = files("lipcert.store").joinpath("schemas", f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def read_json(path: Path, kind: Kind) -> dict[str, Any]:
    """The content of a file that lipcert wrote, checked against its schema.

    Raises InputError where it cannot be read, is no strict JSON (NaN, an infinity, a number beyond the float
    range, a repeated key), is of another kind or version, or has not the required shape.
    """
    value = _parse(path, _read(path))
    _require_kind(path, value, kind)
    problems = list(shape_problems(value, kind))
    if problems:
        more = [f"... and {len(problems) - _PROBLEMS_SHOWN} more"] if len(problems) > _PROBLEMS_SHOWN else []
        listed = "\n".join(f"  {line}" for line in problems[:_PROBLEMS_SHOWN] + more)
        raise InputError(
            f"{path} has not the shape of a lipcert {kind}:\n{listed}",
            hint=f"The schema is lipcert/store/schemas/{kind}.schema.json.",
        )
    return value


def shape_problems(value: dict[str, Any], kind: Kind) -> Iterator[str]:
    """Where `value` departs from the schema of `kind`, a line each."""
    for error in _validator(kind).iter_errors(value):
        yield f"{error.json_path.removeprefix('$.')}: {error.message}"[:_LONGEST_PROBLEM]


@cache
def _validator(kind: Kind) -> "Validator":
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry, Resource

    def is_integer(_: object, number: object) -> bool:
        return isinstance(number, int) and not isinstance(number, bool)

    # JSON Schema counts 1.0 as an integer; a shape or an index of ours is never written so.
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer)
    common = Resource.from_contents(load_schema("common"))
    registry = Registry().with_resource("common.schema.json", common)
    strict: type[Validator] = extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    return strict(load_schema(kind), registry=registry)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", hint="Check the path.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text, so no JSON", hint=_HINT) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="Name a readable file.") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        value = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole, object_pairs_hook=_without_repeats
        )
    except RecursionError:
        raise InputError(f"{path} is nested too deeply", hint=_HINT) from None
    except ValueError as error:  # also what the hooks raise
        raise InputError(f"{path} is no strict JSON: {error}", hint=_HINT) from None
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object", hint=_HINT)
    return value


def _require_kind(path: Path, value: dict[str, Any], kind: Kind) -> None:
    if value.get("kind") != kind:
        seen = repr(value.get("kind"))[:_LONGEST_PROBLEM]
        raise InputError(f"{path} is no lipcert {kind}: its kind is {seen}", hint=_HINT)
    version = value.get("schema_version")
    if type(version) is not int or version != SCHEMA_VERSION:
        seen = repr(version)[:_LONGEST_PROBLEM]
        raise InputError(
            f"{path} has schema_version {seen}; this lipcert reads {SCHEMA_VERSION}",
            hint="Read it with the lipcert that wrote it, or make it again with this one.",
        )


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is beyond the float range")
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {repeated[:40]!r} stands twice in one object")
    return table
