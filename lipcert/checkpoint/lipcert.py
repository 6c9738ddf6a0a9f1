"""lipcert's own checkpoint: safetensors whose metadata holds the recipe that rebuilds the network.

The metadata entry "lipcert.recipe" is JSON:
    {"schema_version": 1, "architecture": "mlp", "arguments": {"widths": [64, 64, 10]}, "input_shape": [64]}
`architecture` is a name in lipcert.architectures.ARCHITECTURES; `input_shape` leaves the batch out. An entry
"input_dtype": "int64" says that the input is token ids; without it, it is "float32".
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from torch import nn

from lipcert import architectures
from lipcert.checkpoint.examples import Ids, Shape
from lipcert.errors import InputError, OutputError
from lipcert.store.atomic import write_bytes

InputType = Literal["float32", "int64"]

METADATA_KEY = "lipcert.recipe"
TRAINING = "lipcert.training"
"""The entry that says how a network was trained, JSON: "recipe", "step", "data", "tokens", "guaranteed" and more."""


class Recipe(BaseModel):
    """What rebuilds a network: a built-in architecture, its arguments, and the shape and type of one input."""

    model_config = ConfigDict(extra="forbid", strict=True)

    schema_version: Literal[1] = 1
    architecture: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    input_shape: list[PositiveInt] = Field(min_length=1, max_length=8)
    input_dtype: InputType = "float32"

    @property
    def example(self) -> Shape | Ids:
        """What example inputs are made from."""
        shape = tuple(self.input_shape)
        return Ids(shape) if self.input_dtype == "int64" else shape


def recipe_of(metadata: Mapping[str, str], source: str) -> Recipe | None:
    """The recipe in a safetensors file's metadata, or None. Raises InputError if it is wrong."""
    if METADATA_KEY not in metadata:
        return None
    try:
        return Recipe.model_validate_json(metadata[METADATA_KEY])
    except ValidationError as error:
        raise InputError(f"{source} has a recipe that cannot be used: {architectures.explain(error)}") from error


def recipe_sha256(recipe: Recipe) -> str:
    """Two recipes may make different functions of the same weights, by another activation or scale: this tells."""
    return hashlib.sha256(json.dumps(recipe.model_dump(), sort_keys=True).encode()).hexdigest()


def build(recipe: Recipe) -> nn.Module:
    """The network without its values, on the meta device, so that a false recipe costs no memory."""
    with torch.device("meta"):
        return architectures.build(recipe.architecture, recipe.arguments)


def recipe_for(
    architecture: str, arguments: Mapping[str, Any], input_shape: tuple[int, ...], input_dtype: InputType = "float32"
) -> Recipe:
    """As `save` takes them."""
    return Recipe(
        architecture=architecture, arguments=dict(arguments), input_shape=list(input_shape), input_dtype=input_dtype
    )


def save(
    path: Path,
    module: nn.Module,
    architecture: str,
    arguments: Mapping[str, Any],
    input_shape: tuple[int, ...],
    input_dtype: InputType = "float32",
    about: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes `module`, atomically; architectures.build(architecture, arguments) must rebuild it.

    input_shape: without the batch. input_dtype: "int64" for a network of token ids. about: more entries of the file's
    metadata.

    An existing file is replaced. Raises InputError when the recipe builds another network, OutputError when
    the file cannot be written.
    """
    from safetensors.torch import save as to_bytes

    recipe = recipe_for(architecture, arguments, input_shape, input_dtype)
    _check_rebuilds(module, recipe)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    content = to_bytes(tensors, {**about, METADATA_KEY: recipe.model_dump_json()})
    if not path.parent.is_dir():  # most often a slip of the pen
        raise OutputError(f"{path} cannot be written: there is no folder {path.parent}", hint="Make it first.")
    write_bytes(path, content, overwrite=True)


def _check_rebuilds(module: nn.Module, recipe: Recipe) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    rebuilt = {name: tuple(tensor.shape) for name, tensor in build(recipe).state_dict().items()}
    if shapes != rebuilt:
        raise InputError(
            f"the recipe {recipe.architecture} {recipe.arguments} builds another network",
            hint="Give save() the arguments with which the module was built.",
        )
