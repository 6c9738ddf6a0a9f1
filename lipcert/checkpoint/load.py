"""A file or folder → Model, by what it contains."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from torch import Tensor, nn

from lipcert.checkpoint import arch as architecture
from lipcert.checkpoint import (
    examples,
    export,
    lipcert,
    match,
    onnx,
    safetensors,
    shards,
    state_dict,
    torchscript,
    weights,
)
from lipcert.checkpoint.find import StateDict, state_dicts
from lipcert.checkpoint.hashing import file_sha256, files_sha256
from lipcert.checkpoint.huggingface import folder
from lipcert.checkpoint.huggingface import load as huggingface
from lipcert.checkpoint.model import Model, Provenance
from lipcert.checkpoint.sniff import Format, sniff
from lipcert.errors import InputError, UsageError
from lipcert.stages import stage

Inputs = Sequence[examples.Shape | examples.Ids]
"""The shape of every input without the batch: (1, 28, 28), or Ids((256,)) for token ids."""

_SHOWN = 12
_LOG = logging.getLogger(__name__)
_NONE: Mapping[str, str] = MappingProxyType({})


def load(
    path: Path | str,
    *,
    arch: str | None = None,
    inputs: Inputs | None = None,
    trust_pickle: bool = False,
) -> Model:
    """The network in the file or folder at `path`, in eval mode, with exactly the weights in it.

    path: of a checkpoint, of the index of one in shards, or of a folder that transformers saved.
    arch: `package.module:function` or `file.py:function`, imported and called to build the network; needed
        for state dicts and safetensors, which hold no architecture.
    inputs: the shape of each input without the batch, (1, 28, 28), or Ids((256,)) for token ids; in place of the ones
        that `arch` gives.
    trust_pickle: let the file execute code, to read a pickled module or TorchScript; of a folder, read pickled weights.

    Raises UsageError when `arch` or `inputs` is missing, InputError or UnsupportedError when the file cannot
    be used, ResourceError when it does not fit into memory.
    """
    path = Path(path)
    kind = sniff(path)
    with stage(_LOG, f"reading {path}"):
        if kind in (Format.EXPORT, Format.EXPORT_LEGACY):
            return _from_program(path, kind, arch, inputs)
        if kind is Format.SAFETENSORS:
            return _from_safetensors(path, arch, inputs)
        if kind is Format.ONNX:
            return _from_onnx(path, arch, inputs)
        if kind is Format.TORCHSCRIPT:
            return _from_torchscript(path, arch, inputs, trust_pickle)
        if kind is Format.HUGGINGFACE and arch is None:
            return huggingface.load(path, inputs, trust_pickle=trust_pickle)
        if kind in (Format.HUGGINGFACE, Format.SHARDS):
            return _from_several(path, kind, arch, inputs, trust_pickle)
        return _from_pickle(path, kind, arch, inputs, trust_pickle)


def _from_program(path: Path, kind: Format, arch: str | None, inputs: Inputs | None) -> Model:
    if arch is not None or inputs:
        raise UsageError(
            f"{path} is a torch.export program, which holds its architecture and its input shapes",
            hint="Leave --arch and --input out.",
        )
    program, given = export.read(path, kind)
    return Model(None, program, given, Provenance(path, kind, file_sha256(path)))


def _from_onnx(path: Path, arch: str | None, inputs: Inputs | None) -> Model:
    if arch is not None:
        raise UsageError(f"{path} is an ONNX model, which holds its architecture", hint="Leave --arch out.")
    module, given, files = onnx.read(path, inputs)
    return Model(module, None, given, Provenance(path, Format.ONNX, files_sha256(files)))


def _from_torchscript(path: Path, arch: str | None, inputs: Inputs | None, trust: bool) -> Model:
    script = torchscript.read(path, trust=trust)
    if arch is not None:
        return _from_weights(path, Format.TORCHSCRIPT, state_dicts(script.state_dict()), arch, inputs)
    given = examples.like(script, _examples(None, inputs))
    module = torchscript.capture(script, given, path)
    return Model(module, None, given, Provenance(path, Format.TORCHSCRIPT, file_sha256(path)))


def _from_safetensors(path: Path, arch: str | None, inputs: Inputs | None) -> Model:
    tensors, metadata = safetensors.read(path)
    found = [StateDict((), tensors)]
    recipe = lipcert.recipe_of(metadata, str(path)) if arch is None else None
    if recipe is None:
        return _from_weights(path, Format.SAFETENSORS, found, arch, inputs)
    module = lipcert.build(recipe)
    match.fill(module, found, str(path))
    provenance = Provenance(path, "lipcert", file_sha256(path))
    return _model(module, examples.from_shapes(inputs or [recipe.example]), provenance, metadata)


def _from_several(path: Path, kind: Format, arch: str | None, inputs: Inputs | None, trust: bool) -> Model:
    if kind is Format.HUGGINGFACE:
        tensors, sha256 = folder.weights(path, trust_pickle=trust)
    else:
        tensors = shards.read(path, lambda shard: safetensors.read(shard)[0])
        sha256 = files_sha256([path, *shards.files(path)])
    return _from_weights(path, kind, [StateDict((), tensors)], arch, inputs, sha256)


def _from_pickle(path: Path, kind: Format, arch: str | None, inputs: Inputs | None, trust: bool) -> Model:
    loaded = state_dict.read(path, kind, trust_pickle=trust)
    if isinstance(loaded, nn.Module) and arch is None:
        for state in state_dicts(loaded.state_dict()):
            weights.check_kind(state.tensors, str(path))
            weights.check_values(state.tensors, str(path))
        return _model(loaded, _examples(None, inputs), Provenance(path, kind, file_sha256(path)))
    if isinstance(loaded, nn.Module):
        loaded = loaded.state_dict()
    return _from_weights(path, kind, state_dicts(loaded), arch, inputs)


def _from_weights(
    path: Path, kind: Format, found: list[StateDict], arch: str | None, inputs: Inputs | None, sha256: str = ""
) -> Model:
    if arch is None:
        raise _architecture_needed(path, found)
    module, given = architecture.build(arch)
    inputs_used = _examples(given, inputs)
    unwrapped = match.fill(module, found, str(path))
    return _model(module, inputs_used, Provenance(path, kind, sha256 or file_sha256(path), arch, unwrapped))


def _examples(given: tuple[Tensor, ...] | None, inputs: Inputs | None) -> tuple[Tensor, ...]:
    if inputs:
        return examples.from_shapes(inputs)
    if given is None:
        raise UsageError(
            "the shape of the input is not known",
            hint="Give it without the batch, --input 1,28,28 or, for token ids, --input ids:256; or let --arch return "
            "(module, example_inputs).",
        )
    return given


def _model(
    module: nn.Module, inputs: tuple[Tensor, ...], provenance: Provenance, metadata: Mapping[str, str] = _NONE
) -> Model:
    module.eval().requires_grad_(False)
    return Model(module, None, examples.like(module, inputs), provenance, metadata)


def _architecture_needed(path: Path, found: list[StateDict]) -> UsageError | InputError:
    if not any(state.tensors for state in found):
        return InputError(f"{path} holds no named tensors", hint="A state dict is needed: model.state_dict().")
    for state in found:
        weights.check_names(state.tensors, str(path))
    largest = max(found, key=lambda state: len(state.tensors))
    tensors = list(largest.tensors.items())
    place = f" (at {' → '.join(largest.where)})" if largest.where else ""
    lines = [f"{path} holds {len(tensors)} named tensors{place} and not the network that uses them:"]
    lines += [f"  {name} {tuple(tensor.shape)}" for name, tensor in tensors[:_SHOWN]]
    lines += [f"  … {len(tensors) - _SHOWN} more"] if len(tensors) > _SHOWN else []
    return UsageError(
        "\n".join(lines),
        hint=f"Say what builds it: --arch net.py:net, where net.py is\n\n{architecture.STUB}",
    )
