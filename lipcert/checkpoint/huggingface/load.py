"""A folder of transformers → Model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lipcert.checkpoint.examples import Ids, Shape, from_shapes, like
from lipcert.checkpoint.hashing import file_sha256
from lipcert.checkpoint.huggingface import folder as files
from lipcert.checkpoint.huggingface.fill import filled
from lipcert.checkpoint.huggingface.library import class_of, config_of, library
from lipcert.checkpoint.huggingface.network import Pixels, Texts, first_position
from lipcert.checkpoint.lipcert import TRAINING
from lipcert.checkpoint.model import Model, Provenance
from lipcert.checkpoint.sniff import Format
from lipcert.errors import InputError, UsageError

_MEANT = "last_hidden_state"
"""Of several outputs the one that is bounded where none is named."""


def load(path: Path, inputs: Sequence[Shape | Ids] | None, *, trust_pickle: bool) -> Model:
    """The network that config.json describes, with exactly the weights beside it.

    inputs: [Ids((T,))] for a network of texts; an image has the size that the config says.
    Raises InputError, UnsupportedError, UsageError, ResourceError.
    """
    tensors, sha256 = files.weights(path, trust_pickle=trust_pickle)
    if not (path / files.CONFIG).is_file():
        raise InputError(
            f"{path} holds weights and no {files.CONFIG}, which says what network they are of",
            hint=f"Copy or download it into {path}; or say what builds the network: --arch net.py:net.",
        )
    with library(path) as transformers:
        config = config_of(path, transformers)
        kind = class_of(path, config, transformers)
        network, left = filled(kind, config, tensors, path)
        masked = kind.__name__ not in _continuing(transformers, config)
    network.eval().requires_grad_(False)
    texts = kind.main_input_name == "input_ids"
    pad = getattr(config, "pad_token_id", None)
    typed = hasattr(config, "type_vocab_size")
    module = Texts(network, pad if masked else None, typed=typed) if texts else Pixels(network)
    examples = _text(path, config, network, inputs, pad) if texts else _image(path, config, inputs)
    examples = like(module, examples)
    provenance = Provenance(path, Format.HUGGINGFACE, sha256, left_out=tuple(left))
    return Model(module.eval(), None, examples, provenance, _tokens(path), _meant(module, examples))


def _continuing(transformers: Any, config: Any) -> set[str]:
    """The classes that continue a text: what comes after a token, padding included, does not reach it."""
    found = transformers.MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), ())
    return {each.__name__ for each in (found if isinstance(found, tuple) else (found,))}


def _text(
    path: Path, config: Any, network: nn.Module, inputs: Sequence[Shape | Ids] | None, pad: int | None
) -> tuple[Tensor, ...]:
    """One text without padding, of the length that was asked for."""
    one = inputs[0] if inputs and len(inputs) == 1 else None
    if not isinstance(one, Ids) or len(one.shape) != 1:
        seen = "the number of its tokens is not known" if not inputs else "it takes one sequence of token ids"
        raise UsageError(f"{path} is a network of texts: {seen}", hint="Give it as --input ids:16, for 16 tokens.")
    limit = getattr(config, "max_position_embeddings", None)
    limit = limit - first_position(network) if isinstance(limit, int) else one.shape[0]
    if one.shape[0] > limit:
        raise UsageError(
            f"{path} has positions for {limit} tokens, and --input asks for {one.shape[0]}",
            hint=f"Ask for {limit} at most: --input ids:{limit}.",
        )
    (ids,) = from_shapes([one])
    return (ids + 1 if pad == 0 else ids,)


def _image(path: Path, config: Any, inputs: Sequence[Shape | Ids] | None) -> tuple[Tensor, ...]:
    size = config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    shape = (int(config.num_channels), int(height), int(width))
    if inputs and list(inputs) != [shape]:
        raise UsageError(
            f"{path} takes one image of {'×'.join(map(str, shape))}, and --input names another shape",
            hint="Leave --input out.",
        )
    return from_shapes([shape])


def _tokens(path: Path) -> Mapping[str, str]:
    """How text becomes ids: by the tokenizer that lies in the folder, in the form of lipcert's own checkpoints."""
    file = path / files.TOKENIZER
    if not file.is_file():
        return {}
    return {TRAINING: json.dumps({"tokens": {"kind": "file", "path": str(file), "sha256": file_sha256(file)}})}


def _meant(module: nn.Module, examples: tuple[Tensor, ...]) -> str:
    with torch.no_grad():
        returned = module(*examples)
    return _MEANT if isinstance(returned, Mapping) and _MEANT in returned else ""
