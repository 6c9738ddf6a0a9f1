"""Checkpoints in shards, by their index or their folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file
from torch import Tensor

from lipcert import checkpoint
from lipcert.errors import InputError
from tests.unit.checkpoint.files import assert_holds


def shards_of(weights: dict[str, Tensor], folder: Path) -> Path:
    """Two shards and their index, as transformers names them."""
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    places = {name: names[place % 2] for place, name in enumerate(weights)}
    for file in names:
        save_file({name: t for name, t in weights.items() if places[name] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return index


def test_shards_are_read_by_their_index_or_by_their_folder(
    arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    index = shards_of(weights, tmp_path)
    found = {place: checkpoint.load(place, arch=f"{arch}:net") for place in (index, tmp_path)}
    for place, model in found.items():
        assert_holds(model, weights)
        assert model.provenance is not None
        assert model.provenance.format == {index: "safetensors in shards", tmp_path: "transformers"}[place]
    assert len({model.provenance.sha256 for model in found.values() if model.provenance is not None}) == 1


def _moved(index: dict[str, Any], to: str) -> dict[str, Any]:
    return {"weight_map": dict.fromkeys(index["weight_map"], to)}


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no map": (lambda index: {"metadata": {}}, "no index of a sharded checkpoint"),
    "an empty map": (lambda index: {"weight_map": {}}, "no weight_map"),
    "a map to numbers": (lambda index: {"weight_map": {"0.weight": 1}}, "no weight_map"),
    "above its folder": (lambda index: _moved(index, "../secret.safetensors"), "outside its folder"),
    "anywhere": (lambda index: _moved(index, "/etc/passwd"), "outside its folder"),
    "no file": (lambda index: _moved(index, ".."), "outside its folder|missing"),
    "a name too long": (lambda index: _moved(index, "x" * 5000), "1 of the 1 shards"),
    "a missing shard": (lambda index: _moved(index, "model-00003-of-00003.safetensors"), "1 of the 1 shards"),
    "a tensor too many": (
        lambda index: {"weight_map": index["weight_map"] | {"more": "model-00001-of-00002.safetensors"}},
        "more is not in model-00001",
    ),
    "a tensor too few": (
        lambda index: {"weight_map": dict(list(index["weight_map"].items())[1:])}, r"is in model-\d[^ ]* unnamed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_an_index_that_contradicts_its_shards_is_refused(
    name: str, arch: str, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    index = shards_of(weights, tmp_path)
    change, expected = BROKEN[name]
    index.write_text(json.dumps(change(json.loads(index.read_text()))))
    with pytest.raises(InputError, match=expected):
        checkpoint.load(index, arch=f"{arch}:net")
