"""Folders that transformers saved, changed and loaded."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import lipcert
from lipcert.checkpoint.model import Model
from lipcert.errors import LipcertError
from tests.soundness.tiny_transformers import TOKENS, tiny

IDS = [lipcert.Ids((TOKENS,))]
SOME = torch.tensor([[3, 7, 7, 49, 5], [9, 2, 30, 4, 8]])


def saved(name: str, folder: Path) -> Path:
    tiny(name).save_pretrained(folder)
    return folder


def edit(folder: Path, **keys: Any) -> None:
    """Keys of config.json; None takes one out."""
    path = folder / "config.json"
    content = json.loads(path.read_text()) | keys
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], Mapping[str, Tensor]]) -> None:
    path = folder / "model.safetensors"
    # A copy: what is read is mapped from the file that is replaced.
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    save_file(dict(change(tensors)), path, {"format": "pt"})


def load(folder: Path, **more: Any) -> Model:
    return lipcert.load(folder, inputs=more.pop("inputs", IDS), **more)


def values(module: Any) -> dict[str, Tensor]:
    return dict(module.network.state_dict())


def refusal(folder: Path, kind: type[LipcertError], **more: Any) -> str:
    with pytest.raises(kind) as refused:
        load(folder, **more)
    assert refused.value.hint
    return str(refused.value)
