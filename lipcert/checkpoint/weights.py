"""Which tensors are refused as weights, whatever the network: nothing is rounded, guessed or dropped."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from lipcert.checkpoint import memory
from lipcert.errors import InputError, UnsupportedError

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""The dtypes whose every value is a binary64 number."""

_ADAPTER = re.compile(r"(^|\.)(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector|adapter_\w+|hada_w\d|ia3_l)(\.|$)")
_PACKED = re.compile(r"(^|\.)(qweight|qzeros|_packed_params\w*|absmax|quant_map|SCB)(\.|$)")
_DENSE = "Save the weights in floating point: float64, float32, float16 or bfloat16."
_SHOWN = 5


def check_names(tensors: Mapping[str, Tensor], source: str) -> None:
    """Says what names mean that no plain network has: an adapter, or weights packed by a quantiser.

    For a file that fits no network; a network that has such names itself may use them. Raises InputError,
    UnsupportedError.
    """
    if adapters := [name for name in tensors if _ADAPTER.search(name)]:
        raise InputError(
            f"{source} holds an adapter, not a network: {_list(adapters)}",
            hint="Merge first: load base and adapter, then save what peft's merge_and_unload() gives.",
        )
    if packed := [name for name in tensors if _PACKED.search(name)]:
        raise UnsupportedError(f"{source} is quantised: {_list(packed)}", hint=_DENSE)


def check_kind(tensors: Mapping[str, Tensor], source: str) -> None:
    """Refuses quantised, complex, sparse and valueless tensors, and small ones expanded beyond memory.

    source: what messages call the file. Raises UnsupportedError or ResourceError.
    """
    wrong = [f"{name} {reason}" for name, tensor in tensors.items() if (reason := not_dense(tensor))]
    if wrong:
        raise UnsupportedError(f"{source}: {_list(wrong)}", hint=_DENSE)
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if size > tensor.untyped_storage().nbytes():
            memory.require(size, f"{name} in {source}")


def not_dense(tensor: Tensor) -> str:
    """Why a tensor is none that a network can have here; "" where it is one."""
    if tensor.is_meta:
        return "has a shape and no values (it was saved from the meta device)"
    if tensor.is_quantized:
        return f"is quantised ({_dtype(tensor)})"
    if tensor.layout != torch.strided or tensor.is_nested:
        return f"is sparse or nested ({tensor.layout})"
    if tensor.is_complex():
        return f"is complex ({_dtype(tensor)})"
    if tensor.is_floating_point() and tensor.dtype not in FLOATS:
        return f"is quantised ({_dtype(tensor)})"
    return ""


def check_values(tensors: Mapping[str, Tensor], source: str) -> None:
    """Refuses NaN and infinity, naming the tensors and how many values of each. Raises InputError."""
    found = []
    for name, tensor in tensors.items():
        bad = int((~torch.isfinite(tensor)).sum()) if tensor.is_floating_point() else 0
        if bad:
            found.append(f"{name} ({bad:,} of {tensor.numel():,} values)")
    if found:
        raise InputError(
            f"{source} has weights that are NaN or infinite: {_list(found)}",
            hint="No bound holds for them. Use a checkpoint from before training diverged.",
        )


def check_dtypes(expected: Mapping[str, Tensor], given: Mapping[str, Tensor], source: str) -> None:
    """Refuses integers where the network has floats, and floats where it has integers. Raises InputError."""
    wrong = [
        f"{name} is {_dtype(tensor)}, the network has {_dtype(expected[name])}"
        for name, tensor in given.items()
        if tensor.is_floating_point() != expected[name].is_floating_point()
    ]
    if wrong:
        raise InputError(
            f"{source}: {_list(wrong)}",
            hint="The file is quantised or of another network: floating-point weights are needed.",
        )


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _list(items: list[str]) -> str:
    rest = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + rest
