"""What a checkpoint becomes: a network that can be run, example inputs, and where both come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn
from torch.export import ExportedProgram

from lipcert.checkpoint.lipcert import recipe_of, recipe_sha256


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from.

    format: one of the values of `sniff.Format`, such as "safetensors".
    sha256: of the whole file, hexadecimal.
    arch: the `--arch` that built the network, or None where the file says it itself.
    unwrapped: what was taken off to reach the weights, outermost first: keys such as "state_dict" or "[0]",
        and prefixes of names such as "module.*".
    """

    path: Path
    format: str
    sha256: str
    arch: str | None = None
    unwrapped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """Exactly one of `module` (in eval mode) and `program` is given.

    example_inputs: positional inputs with their batch dimension; their shapes belong to every claim.
    provenance: None for a model that never was a file.
    metadata: what a safetensors file says beside its tensors.
    """

    module: nn.Module | None
    program: ExportedProgram | None
    example_inputs: tuple[Tensor, ...]
    provenance: Provenance | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.module is None) == (self.program is None):
            raise ValueError("a Model is either a module or an exported program")

    @property
    def network_sha256(self) -> str | None:
        """Of what makes a network of the weights; None where the file does not say that in a recipe."""
        recipe = recipe_of(self.metadata, "the checkpoint")
        return None if recipe is None else recipe_sha256(recipe)
