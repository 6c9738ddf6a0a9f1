"""What lies in a folder of transformers: its config, and its weights as they are."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from lipcert.checkpoint import memory, pickled, safetensors, shards
from lipcert.checkpoint.hashing import files_sha256
from lipcert.checkpoint.sniff import Format, sniff
from lipcert.errors import InputError, UsageError

CONFIG, ADAPTER, TOKENIZER = "config.json", "adapter_config.json", "tokenizer.json"

_SAFE = ("model.safetensors", "model.safetensors.index.json")
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_FOREIGN = ("tf_model.h5", "flax_model.msgpack", "model.onnx", "*.gguf")
_SAVE = "In Python: transformers.AutoModel….from_pretrained(…).save_pretrained(FOLDER)."


def weights(folder: Path, *, trust_pickle: bool) -> tuple[dict[str, Tensor], str]:
    """Every tensor by its name in the files, and the hash of the files. Nothing is executed.

    trust_pickle: read pytorch_model.bin where there are no safetensors, of which still only tensors are taken.
    Raises InputError where there are no weights, or they cannot be read; UsageError where they are pickled and
    `trust_pickle` does not say that they may be read.
    """
    first = _first(folder, trust_pickle)
    parts = shards.files(first) if first.suffix == ".json" else [first]
    memory.require(sum(part.stat().st_size for part in parts), f"reading {folder}")
    read = _safetensors if first.name in _SAFE else _tensors
    tensors = shards.read(first, read) if first.suffix == ".json" else dict(read(first))
    config = [folder / CONFIG] if (folder / CONFIG).is_file() else []
    index = [first] if first not in parts else []
    return tensors, files_sha256([*config, *index, *parts])


def _first(folder: Path, trust_pickle: bool) -> Path:
    """The file of the weights, or their index."""
    if (folder / ADAPTER).is_file():
        raise InputError(
            f"{folder} holds an adapter ({ADAPTER}), not a network",
            hint="Merge first: load base and adapter, then save what peft's merge_and_unload() gives.",
        )
    found = [folder / name for name in (*_SAFE, *_PICKLED) if (folder / name).is_file()]
    if not found:
        raise _no_weights(folder)
    if found[0].name in _PICKLED and not trust_pickle:
        raise UsageError(
            f"{folder} has its weights in {found[0].name}, a pickle, and no model.safetensors",
            hint=f"Save it again with safetensors. {_SAVE} Or, if you trust whoever made it: --trust-pickle.",
        )
    return found[0]


def _no_weights(folder: Path) -> InputError:
    foreign = sorted(path.name for pattern in _FOREIGN for path in folder.glob(pattern))
    there = f", only {', '.join(foreign)}" if foreign else ""
    return InputError(
        f"{folder} has no weights: neither {' nor '.join(_SAFE)}{there}",
        hint=f"Copy or download them into it. {_SAVE}" if not foreign else f"Convert them. {_SAVE}",
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    return safetensors.read(_of_kind(path, Format.SAFETENSORS))[0]


def _tensors(path: Path) -> dict[str, Tensor]:
    loaded = pickled.read(_of_kind(path, Format.TORCH_ZIP, Format.TORCH_LEGACY), str(path))
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise InputError(f"{path} holds something other than named tensors", hint=_SAVE)
    return dict(loaded)


def _of_kind(path: Path, *kinds: Format) -> Path:
    kind = sniff(path)
    if kind not in kinds:
        raise InputError(f"{path} is a file of {kind}, and {kinds[0]} is needed", hint=_SAVE)
    return path
