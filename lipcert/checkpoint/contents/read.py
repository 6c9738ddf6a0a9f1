"""A file or folder → Contents, by what it is. What cannot be read becomes a problem, with what is known besides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lipcert.checkpoint import export, names, plain_json, safetensors, shards, state_dict, torchscript
from lipcert.checkpoint.contents import onnx_file
from lipcert.checkpoint.contents.record import Contents, Group, Problem, group
from lipcert.checkpoint.find import StateDict, meant, state_dicts
from lipcert.checkpoint.hashing import file_sha256, files_sha256
from lipcert.checkpoint.huggingface import folder
from lipcert.checkpoint.lipcert import METADATA_KEY
from lipcert.checkpoint.sniff import Format, sniff
from lipcert.errors import InputError, LipcertError


@dataclass(frozen=True)
class _Found:
    """states: as `find.state_dicts` has them, unions and all. sha256: as `load` has it; "" that of all files."""

    states: list[StateDict] = field(default_factory=list)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    onnx: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    sha256: str = ""


_SEVERAL = (Format.SHARDS, Format.HUGGINGFACE, Format.ONNX)
"""What may be in several files."""


def look(path: Path, *, trust_pickle: bool = False) -> Contents:
    """What is in a file or folder.

    trust_pickle: let it execute code, to see what is in a pickled module or TorchScript.
    Raises InputError where there is nothing that can be read at all: no file, no folder of transformers.
    """
    try:
        kind = sniff(path)
    except InputError as error:
        if not path.is_file() or not path.stat().st_size:
            raise
        return Contents(path, "", path.stat().st_size, file_sha256(path), problems=(Problem.of(error),))
    found = _found(path, kind, trust_pickle)
    files = _files(path, kind)
    own = METADATA_KEY in found.metadata
    return Contents(
        path, "lipcert" if own else kind, sum(each.stat().st_size for each in files),
        found.sha256 or (files_sha256(files) if kind in _SEVERAL else file_sha256(path)), _groups(found.states),
        found.metadata, found.onnx, found.problems, _meant(found.states),
    )  # fmt: skip


def _found(path: Path, kind: Format, trust: bool) -> _Found:
    try:
        return _READ[kind](path, trust)
    except LipcertError as error:
        return _Found(problems=(Problem.of(error),))


def _groups(states: list[StateDict]) -> tuple[Group, ...]:
    """Every tensor once: the union of groups is none."""
    singles = {id(state): state for state in states if not state.is_union}
    return tuple(group(_where(state), state.tensors) for state in singles.values())


def _where(state: StateDict) -> tuple[str, ...]:
    """With what wrappers put before names; the attribute of a trainer is no such thing here."""
    ways = names.readings(list(state.tensors))
    taken = next((taken for taken, _ in ways[1:] if taken in ("module.*", "_orig_mod.*")), "")
    return (*state.where, taken) if taken else state.where


def _meant(states: list[StateDict]) -> Mapping[str, Tensor]:
    state = meant(states)
    if state is None:
        return {}
    plain = dict(names.readings(list(state.tensors)))
    read = next((plain[taken] for taken in ("module.*", "_orig_mod.*") if taken in plain), plain.get("", []))
    return dict(zip(read, state.tensors.values(), strict=True))


def _files(path: Path, kind: Format) -> list[Path]:
    if kind is Format.SHARDS:
        return [path, *(each for each in sorted(path.parent.iterdir()) if each.name in _named(path))]
    if kind is Format.HUGGINGFACE:
        return [each for each in sorted(path.iterdir()) if each.is_file()]
    return onnx_file.files(path) if kind is Format.ONNX else [path]


def _named(index: Path) -> set[str]:
    places = plain_json.table(index).get(shards.MAP)
    return {str(name) for name in places.values()} if isinstance(places, dict) else set()


def _safetensors(path: Path, trust: bool) -> _Found:
    tensors, metadata = safetensors.read(path)
    return _Found([StateDict((), tensors)], metadata)


def _shards(path: Path, trust: bool) -> _Found:
    told = plain_json.table(path).get("metadata")
    tensors = shards.read(path, lambda shard: safetensors.read(shard)[0])
    return _Found([StateDict((), tensors)], told if isinstance(told, dict) else {})


def _huggingface(path: Path, trust: bool) -> _Found:
    config, problems, states, sha256 = path / folder.CONFIG, [], [], ""
    metadata: dict[str, Any] = {}
    try:
        metadata = plain_json.table(config) if config.is_file() else {}
    except LipcertError as error:
        problems.append(Problem.of(error))
    try:
        tensors, sha256 = folder.weights(path, trust_pickle=trust)
        states = [StateDict((), tensors)]
    except LipcertError as error:
        problems.append(Problem.of(error))
    return _Found(states, metadata, problems=tuple(problems), sha256=sha256)


def _pickle(kind: Format) -> Callable[[Path, bool], _Found]:
    def read(path: Path, trust: bool) -> _Found:
        loaded = state_dict.read(path, kind, trust_pickle=trust)
        if isinstance(loaded, nn.Module):
            return _Found(state_dicts(loaded.state_dict()), {"class": type(loaded).__qualname__})
        keys = [str(key) for key in loaded] if isinstance(loaded, Mapping) else []
        states = state_dicts(loaded)
        known = {key for state in states for key in (*state.where[:1], *(state.tensors if not state.where else ()))}
        beside = [key for key in keys if key not in known]
        return _Found(states, {"beside": ", ".join(beside)} if beside else {})

    return read


def _program(kind: Format) -> Callable[[Path, bool], _Found]:
    def read(path: Path, trust: bool) -> _Found:
        program, given = export.read(path, kind)
        told = {
            "inputs": [f"{tuple(x.shape)} {x.dtype}".replace("torch.", "") for x in given],
            "outputs": list(program.graph_signature.user_outputs),
        }
        tensors = {**program.state_dict, **program.constants}
        kept = {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
        return _Found([StateDict((), kept)], told)

    return read


def _onnx(path: Path, trust: bool) -> _Found:
    model = onnx_file.model(path)
    tensors, problems = onnx_file.weights(model, path)
    return _Found([StateDict((), tensors)], onnx_file.told(model), onnx_file.counted(model), problems)


def _torchscript(path: Path, trust: bool) -> _Found:
    script = torchscript.read(path, trust=trust)
    return _Found(state_dicts(script.state_dict()), {"class": str(getattr(script, "original_name", ""))})


_READ: Mapping[Format, Callable[[Path, bool], _Found]] = {
    Format.HUGGINGFACE: _huggingface,
    Format.SAFETENSORS: _safetensors,
    Format.SHARDS: _shards,
    Format.TORCH_ZIP: _pickle(Format.TORCH_ZIP),
    Format.TORCH_LEGACY: _pickle(Format.TORCH_LEGACY),
    Format.EXPORT: _program(Format.EXPORT),
    Format.EXPORT_LEGACY: _program(Format.EXPORT_LEGACY),
    Format.ONNX: _onnx,
    Format.TORCHSCRIPT: _torchscript,
}
