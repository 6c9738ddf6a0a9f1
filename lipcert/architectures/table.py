"""The built-in networks by name, and how they are built from arguments that came from a file."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from torch import nn

from lipcert.architectures.arguments import ARGUMENTS
from lipcert.architectures.cnn import cnn
from lipcert.architectures.mlp import mlp
from lipcert.architectures.transformer import GPT, Encoder
from lipcert.errors import InputError


class Architecture(NamedTuple):
    """What may be said about a network, and what builds it from that."""

    arguments: type[BaseModel]
    build: Callable[[Any], nn.Module]


ARCHITECTURES: dict[str, Architecture] = {
    "mlp": Architecture(ARGUMENTS["mlp"], mlp),
    "cnn": Architecture(ARGUMENTS["cnn"], cnn),
    "gpt": Architecture(ARGUMENTS["gpt"], GPT),
    "encoder": Architecture(ARGUMENTS["encoder"], Encoder),
}


def build(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The built-in network `name`. Raises InputError that names the nearest known name or argument."""
    if name not in ARCHITECTURES:
        raise InputError(f"there is no built-in architecture {name!r}", hint=_nearest(name, list(ARCHITECTURES)))
    architecture = ARCHITECTURES[name]
    try:
        checked = architecture.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        raise InputError(
            f"architecture {name!r} cannot be built: {explain(error)}",
            hint=_nearest_argument(error, list(architecture.arguments.model_fields)),
        ) from error
    return architecture.build(checked)


def explain(error: ValidationError) -> str:
    """What pydantic found, one clause an argument."""
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}" for each in error.errors())


def _nearest_argument(error: ValidationError, known: list[str]) -> str:
    unknown = [str(each["loc"][0]) for each in error.errors() if each["type"] == "extra_forbidden"]
    return _nearest(unknown[0], known) if unknown else f"Its arguments are {', '.join(known)}."


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known)}."
