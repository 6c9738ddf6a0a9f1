"""Weights into a network of transformers: nothing is left at random, rounded or put elsewhere.

transformers knows which of the names in older files became which of its own; what it made of them is then compared
value by value with the files.
"""

import copy
import re
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lipcert.checkpoint import memory, weights
from lipcert.checkpoint.hashing import tensor_sha256
from lipcert.checkpoint.huggingface.library import ARCH
from lipcert.checkpoint.names import Mismatch
from lipcert.errors import InputError, ResourceError

_REMADE = re.compile(r"(^|\.)(position_ids|token_type_ids|rotary_emb\.inv_freq|attn\.(masked_)?bias)$")
"""What older versions saved, and the network makes itself: counts, causal masks, the angles of rotary positions."""

_TOGETHER = "Config and weights must be of one network: save them again, together."
_SHOWN = 5


def filled(kind: Any, config: Any, tensors: Mapping[str, Tensor], source: Path) -> tuple[nn.Module, list[str]]:
    """A network of class `kind` with exactly these values, and the names of the tensors that it has no place for.

    All floats have the narrowest type, of float32 at least, that holds every value. Raises InputError.
    """
    weights.check_kind(tensors, str(source))
    weights.check_values(tensors, str(source))
    dtype = reduce(torch.promote_types, {t.dtype for t in tensors.values() if t.is_floating_point()}, torch.float32)
    try:
        with torch.device("meta"):
            empty: nn.Module = kind(copy.deepcopy(config))
        memory.require(sum(t.numel() for t in empty.parameters()) * dtype.itemsize, f"the network in {source}")
        network, told = kind.from_pretrained(
            None, config=config, state_dict=dict(tensors), dtype=dtype, attn_implementation="eager",
            output_loading_info=True, ignore_mismatched_sizes=True,
        )  # fmt: skip
    except ResourceError:
        raise
    except Exception as error:  # it raises many kinds, none of them documented as its contract
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{source}: {kind.__name__} cannot be built from its config: {type(error).__name__}: {reason}",
            hint=_TOGETHER,
        ) from error
    left = sorted({name for name in tensors if _REMADE.search(name)} | set(told["unexpected_keys"]))
    _require_fit(network, tensors, told, left, source)
    _require_exact(network, {name: t for name, t in tensors.items() if name not in left}, dtype, source)
    return network, left


def _require_fit(
    network: nn.Module, tensors: Mapping[str, Tensor], told: Mapping[str, Any], left: list[str], source: Path
) -> None:
    """Refuses what is missing, of another shape, or left out although it belongs to a layer."""
    shapes = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    wrong = {name: (tuple(here), tuple(there)) for name, there, here in told["mismatched_keys"]}
    inside = [name for name in left if not _REMADE.search(name) and _inside(network, name)]
    missing = {name: shapes[name] for name in told["missing_keys"] if name in shapes}
    mismatch = Mismatch(missing, {name: tuple(tensors[name].shape) for name in inside if name in tensors}, wrong, 0)
    if mismatch:
        weights.check_names(tensors, str(source))
        raise InputError(
            "\n".join([f"the weights in {source} do not fit its config:", *mismatch.lines()]),
            hint=f"Nothing is filled in at random. {_TOGETHER}",
        )


def _inside(network: nn.Module, name: str) -> bool:
    """Whether a tensor belongs to a layer of the network, or to one more layer, and not to a head of its own."""
    module, parts = network, name.split(".")
    for part in parts[:-1]:
        if isinstance(module, nn.ModuleList | nn.Sequential) or part.isdigit():
            return True
        module = module._modules.get(part) or nn.Module()
    return bool(list(module.parameters(recurse=False)))


def _require_exact(network: nn.Module, tensors: Mapping[str, Tensor], dtype: torch.dtype, source: Path) -> None:
    """Every value of the network is one of the files', and every one of theirs is in it."""
    held = {name: tensor_sha256(t) for name, t in network.state_dict().items()}
    given = {name: tensor_sha256(t.to(dtype) if t.is_floating_point() else t) for name, t in tensors.items()}
    here, there = set(held.values()), set(given.values())
    unlike = [name for name in held if held[name] not in there] + [name for name in given if given[name] not in here]
    if unlike:
        names = list(dict.fromkeys(unlike))
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise InputError(
            f"{source}: what transformers loads differs from the files in {', '.join(names[:_SHOWN])}{more}",
            hint=f"They are stored in another form than the network's. {ARCH}",
        )
