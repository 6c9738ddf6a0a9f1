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
from lipcert.checkpoint.huggingface.library import ARCH, class_of, config_of, library, unknown_keys
from lipcert.checkpoint.huggingface.network import Pixels, Texts, first_position, settle
from lipcert.checkpoint.huggingface.padding import padding
from lipcert.checkpoint.lipcert import TRAINING
from lipcert.checkpoint.model import Model, Provenance
from lipcert.checkpoint.sniff import Format
from lipcert.errors import InputError, UnsupportedError, UsageError

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
        continues = kind.__name__ in _continuing(transformers, config)
        unknown = unknown_keys(config, transformers)
    network.eval().requires_grad_(False)
    module: Texts | Pixels
    if kind.main_input_name == "input_ids":
        module, examples, fixed = _texts(path, config, network, inputs, continues=continues)
    else:
        module, examples, fixed = Pixels(network), _image(path, config, inputs), ()
    examples = like(module, examples)
    returned = _run(module, examples, path)
    settle(network)
    pad = module.pad if isinstance(module, Texts) else None
    notes = (*fixed, *_ignored(unknown, transformers.__version__))
    provenance = Provenance(path, Format.HUGGINGFACE, sha256, left_out=tuple(left))
    return Model(module.eval(), None, examples, provenance, _tokens(path, pad), _meant(returned), notes)


def _texts(
    path: Path, config: Any, network: nn.Module, inputs: Sequence[Shape | Ids] | None, *, continues: bool
) -> tuple[Texts, tuple[Tensor, ...], tuple[str, ...]]:
    """The network from ids, an example, and what is fixed beside them."""
    own, typed = getattr(config, "pad_token_id", None), hasattr(config, "type_vocab_size")
    examples = _text(path, config, network, inputs, own)
    module = Texts(network, None, typed=typed)
    types = ("all tokens are of type 0",) if module.typed else ()
    if continues and not _looks_ahead(module, examples, path):
        return module, examples, ("no token is masked, as none that fills up stands before another", *types)
    pad = padding(path, own)
    if pad is None or not module.masks:
        why = "the folder names none that fills up" if pad is None else "the network takes no mask"
        return module, examples, (f"no token is masked, as {why}", *types)
    filled_up = f"tokens of id {pad}, which fill texts up, are masked"
    return Texts(network, pad, typed=typed), _text(path, config, network, inputs, pad), (filled_up, *types)


def _looks_ahead(module: nn.Module, examples: tuple[Tensor, ...], path: Path) -> bool:
    """Whether the last token reaches the first output, as in a network that continues texts by its name only."""
    (ids,) = examples
    other = torch.cat([ids[:, :-1], 1 - ids[:, -1:]], 1)  # of an example, which is all 0 or all 1
    first, second = (_first(_run(module, (each,), path)) for each in (ids, other))
    return ids.shape[1] > 1 and not torch.equal(first[:, 0], second[:, 0])


def _first(returned: Any) -> Tensor:
    tensor: Tensor = next(iter(returned.values())) if isinstance(returned, Mapping) else returned
    return tensor


def _ignored(unknown: Mapping[str, Any], version: str) -> tuple[str, ...]:
    """What the config says beside."""
    keys = ", ".join(sorted(unknown))
    return (f"transformers {version} does not know these keys of config.json: {keys}",) if keys else ()


def _run(module: nn.Module, examples: tuple[Tensor, ...], path: Path) -> Any:
    try:
        with torch.no_grad():
            return module(*examples)
    except Exception as error:  # networks check their inputs in ways of their own
        reason = " ".join(str(error).split())[:300]
        raise UnsupportedError(
            f"{path}: the network does not take one input {[tuple(x.shape) for x in examples]} alone: "
            f"{type(error).__name__}: {reason}",
            hint=f"Another --input may fit. {ARCH}",
        ) from error


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
    # Below zero where there is no end to them (XLNet).
    limit = limit - first_position(network) if isinstance(limit, int) and limit > 0 else one.shape[0]
    if one.shape[0] > limit:
        raise UsageError(
            f"{path} has positions for {limit} tokens, and --input asks for {one.shape[0]}",
            hint=f"Ask for {limit} at most: --input ids:{limit}.",
        )
    (ids,) = from_shapes([one])
    return (ids + 1 if pad == 0 else ids,)


def _image(path: Path, config: Any, inputs: Sequence[Shape | Ids] | None) -> tuple[Tensor, ...]:
    config = getattr(config, "vision_config", None) or config
    channels, size = getattr(config, "num_channels", 3), getattr(config, "image_size", None)
    if size is None:
        return _image_of_any_size(path, channels, inputs)
    height, width = (size, size) if isinstance(size, int) else size
    shape = (int(channels), int(height), int(width))
    if inputs and list(inputs) != [shape]:
        raise UsageError(
            f"{path} takes one image of {'×'.join(map(str, shape))}, and --input names another shape",
            hint="Leave --input out.",
        )
    return from_shapes([shape])


def _image_of_any_size(path: Path, channels: int, inputs: Sequence[Shape | Ids] | None) -> tuple[Tensor, ...]:
    one = inputs[0] if inputs and len(inputs) == 1 else None
    if not isinstance(one, tuple) or len(one) != 3 or one[0] != channels:
        raise UsageError(
            f"{path} is a network of images with {channels} channels, of a size that its config does not say",
            hint=f"Give it as --input {channels},224,224.",
        )
    return from_shapes([one])


def _tokens(path: Path, pad: int | None) -> Mapping[str, str]:
    """How text becomes ids: by the tokenizer that lies in the folder, in the form of lipcert's own checkpoints.

    pad: the id that the network masks.
    """
    file = path / files.TOKENIZER
    if not file.is_file():
        return {}
    masked = {} if pad is None else {"pad": pad}
    tokens = {"kind": "file", "path": str(file), "sha256": file_sha256(file)} | masked
    return {TRAINING: json.dumps({"tokens": tokens})}


def _meant(returned: Any) -> str:
    return _MEANT if isinstance(returned, Mapping) and _MEANT in returned else ""
