"""What a checkpoint becomes: a network that can be run, example inputs, and where both come from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn
from torch.export import ExportedProgram

from lipcert.checkpoint.lipcert import recipe_of, recipe_sha256
from lipcert.checkpoint.sniff import Format

_WHOLE = frozenset({Format.ONNX, Format.HUGGINGFACE, Format.EXPORT, Format.EXPORT_LEGACY, Format.TORCHSCRIPT})


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from.

    format: one of the values of `sniff.Format`, such as "safetensors".
    sha256: of the whole file, hexadecimal; of several files as `hashing.files_sha256` has it.
    arch: the `--arch` that built the network, or None where the file says it itself.
    unwrapped: what was taken off to reach the weights, outermost first: keys such as "state_dict" or "[0]",
        and prefixes of names such as "module.*".
    left_out: the tensors of the file that the network has no place for, such as the head of another task.
    """

    path: Path
    format: str
    sha256: str
    arch: str | None = None
    unwrapped: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """Exactly one of `module` (in eval mode) and `program` is given.

    example_inputs: positional inputs with their batch dimension; their shapes belong to every claim.
    provenance: None for a model that never was a file.
    metadata: what a safetensors file says beside its tensors.
    output: of several outputs the one that is meant where none is named; "" where that is not known.
    fixed: what was decided of the network that its file leaves open, such as which tokens are masked; in sentences.
    """

    module: nn.Module | None
    program: ExportedProgram | None
    example_inputs: tuple[Tensor, ...]
    provenance: Provenance | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    output: str = ""
    fixed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.module is None) == (self.program is None):
            raise ValueError("a Model is either a module or an exported program")

    @property
    def network(self) -> nn.Module | ExportedProgram:
        """The one that is given."""
        network = self.module if self.module is not None else self.program
        assert network is not None
        return network

    @property
    def assumes(self) -> tuple[str, ...]:
        """What a claim about it assumes beside its weights, in sentences: what was fixed, and what was left out."""
        left = ", ".join(self.provenance.left_out) if self.provenance is not None else ""
        return (*self.fixed, f"of the file these tensors are left out: {left}") if left else self.fixed

    @property
    def network_sha256(self) -> str | None:
        """Of what makes a network of the weights: the recipe, or a whole file that holds the network and what was
        fixed beside it; else None.
        """
        recipe = recipe_of(self.metadata, "the checkpoint")
        if recipe is not None:
            return recipe_sha256(recipe)
        told = self.provenance
        if told is None or told.arch is not None or told.format not in _WHOLE:
            return None
        return hashlib.sha256("\n".join((told.sha256, *self.fixed)).encode()).hexdigest() if self.fixed else told.sha256
