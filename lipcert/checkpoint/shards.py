"""Weights in several files, with an index that says which tensor lies in which: model.safetensors.index.json."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from lipcert.checkpoint import plain_json
from lipcert.errors import InputError

Read = Callable[[Path], Mapping[str, Tensor]]

MAP = "weight_map"
"""The key of an index that names the file of every tensor."""

_SHOWN = 5


def files(index: Path) -> list[Path]:
    """The shards that an index names, in the order of their names.

    Raises InputError for an index that cannot be read, and where it names files outside its folder or that are missing.
    """
    named = sorted(set(_map(index).values()))
    if strange := [name for name in named if Path(name).name != name]:
        raise InputError(
            f"{index} names shards outside its folder: {_some(strange)}",
            hint="Shards lie beside their index and are named without a folder: download or save the checkpoint again.",
        )
    if missing := [name for name in named if not _is_file(index.parent / name)]:
        raise InputError(
            f"{len(missing)} of the {len(named)} shards that {index} names are missing: {_some(missing)}",
            hint=f"Copy or download them into {index.parent}.",
        )
    return [index.parent / name for name in named]


def read(index: Path, read_one: Read) -> dict[str, Tensor]:
    """Every tensor of every shard. Raises InputError where index and shards contradict each other."""
    places, found = _map(index), dict[str, Tensor]()
    wrong = []
    for file in files(index):
        tensors = read_one(file)
        said = {name for name, place in places.items() if place == file.name}
        wrong += [f"{name} is not in {file.name}" for name in sorted(said - tensors.keys())]
        wrong += [f"{name} is in {file.name} unnamed" for name in sorted(tensors.keys() - said)]
        found |= tensors
    if wrong:
        raise InputError(
            f"{index} does not describe its shards: {_some(wrong)}",
            hint="Index and shards are of different checkpoints: download or save them again, all together.",
        )
    return found


def _is_file(path: Path) -> bool:
    """False, too, for a name that no file can have."""
    try:
        return path.is_file()
    except OSError:
        return False


def _map(index: Path) -> dict[str, str]:
    places = plain_json.table(index).get(MAP)
    if isinstance(places, dict) and places and all(isinstance(name, str) for name in places.values()):
        return places
    raise InputError(f"{index} has no {MAP} from tensors to files", hint="Download or save the checkpoint again.")


def _some(items: list[str]) -> str:
    rest = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + rest
