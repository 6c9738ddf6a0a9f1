"""Gathers and scatters of single entries, as one choice among numbered entries: indices that are known stay so."""

from collections.abc import Callable

import torch
from torch import Tensor

from lipcert.checkpoint.onnx.ops.call import Call, Inputs
from lipcert.errors import UnsupportedError


def gather_elements(call: Call, inputs: Inputs) -> Tensor:
    x, axis = inputs[0], call["axis"] % inputs[0].dim()
    if 1 not in call.known:
        return torch.gather(x, axis, inputs[1])
    return _pick(x, torch.gather(_numbers(x), axis, torch.tensor(call.known[1]) % x.shape[axis]))


def gather_nd(call: Call, inputs: Inputs) -> Tensor:
    if call["batch_dims"]:
        raise UnsupportedError("batch_dims")
    x: Tensor = inputs[0]
    return _pick(x, _numbers(x)[_places(torch.tensor(call.known[1]))])


def scatter_elements(call: Call, inputs: Inputs) -> Tensor:
    x, updates = inputs[0], inputs[2]
    axis = call["axis"] % x.dim()
    indices = torch.tensor(call.known[1]) % x.shape[axis]
    return _replaced(call, x, updates, lambda old, new: old.scatter(axis, indices, new))


def scatter_nd(call: Call, inputs: Inputs) -> Tensor:
    places = _places(torch.tensor(call.known[1]))
    return _replaced(call, inputs[0], inputs[2], lambda old, new: old.index_put(places, new))


def _replaced(call: Call, x: Tensor, updates: Tensor, put: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    if call["reduction"] not in (None, "none"):
        raise UnsupportedError(f"reduction {call['reduction']!r}")
    chosen = put(_numbers(x), _numbers(updates) + x.numel())
    return _pick(torch.cat([x.reshape(-1), updates.reshape(-1)]), chosen)


def _numbers(x: Tensor) -> Tensor:
    return torch.arange(x.numel()).reshape(x.shape)


def _places(indices: Tensor) -> tuple[Tensor, ...]:
    """For each axis its index; the last axis of `indices` runs over the axes."""
    return indices.unbind(-1)


def _pick(x: Tensor, numbers: Tensor) -> Tensor:
    return torch.index_select(x.reshape(-1), 0, numbers.reshape(-1)).reshape(numbers.shape)
