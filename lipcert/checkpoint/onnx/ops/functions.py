"""Functions entry by entry, and along an axis."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lipcert.checkpoint.onnx.ops.call import Call, Inputs
from lipcert.errors import UnsupportedError


def leaky_relu(call: Call, inputs: Inputs) -> Tensor:
    return F.leaky_relu(inputs[0], call["alpha"])


def prelu(call: Call, inputs: Inputs) -> Tensor:
    """One slope, one a channel (axis 1), or slopes that are broadcast: x⁺ - slope · (-x)⁺."""
    x, slope = inputs
    channels = slope.dim() == x.dim() - 1 and slope.numel() == slope.shape[0] == x.shape[1]
    if slope.numel() == 1 or channels:
        return F.prelu(x, slope.reshape(-1))
    general: Tensor = F.relu(x) - slope * F.relu(-x)
    return general


def elu(call: Call, inputs: Inputs) -> Tensor:
    return F.elu(inputs[0], call["alpha"])


def selu(call: Call, inputs: Inputs) -> Tensor:
    """With the constants of the file, which differ from torch's in their last digits."""
    return F.elu(inputs[0], call["alpha"]).mul(call["gamma"])


def celu(call: Call, inputs: Inputs) -> Tensor:
    return F.celu(inputs[0], call["alpha"])


def gelu(call: Call, inputs: Inputs) -> Tensor:
    return F.gelu(inputs[0], approximate=call["approximate"])


def hard_sigmoid(call: Call, inputs: Inputs) -> Tensor:
    return torch.clamp(inputs[0] * call["alpha"] + call["beta"], 0, 1)


def softplus(call: Call, inputs: Inputs) -> Tensor:
    """log(1 + eˣ) everywhere; torch's own softplus is x from 20 on."""
    return -F.logsigmoid(-inputs[0])


def swish(call: Call, inputs: Inputs) -> Tensor:
    x: Tensor = inputs[0]
    return F.silu(x) if call["alpha"] == 1 else x * torch.sigmoid(x * call["alpha"])


def softmax(call: Call, inputs: Inputs) -> Tensor:
    """Before version 13 over all axes from `axis` on, as one. safe: 0 where all that it compares is -infinity."""
    return _along(call, inputs[0], torch._safe_softmax if call["safe"] else torch.softmax)


def log_softmax(call: Call, inputs: Inputs) -> Tensor:
    return _along(call, inputs[0], torch.log_softmax)


def _along(call: Call, x: Tensor, function: object) -> Tensor:
    assert callable(function)
    axis = call["axis"] % max(x.dim(), 1)
    if call.version >= 13 or axis == x.dim() - 1:
        result: Tensor = function(x, axis)
        return result
    joined: Tensor = function(x.flatten(axis), -1)
    return joined.reshape(x.shape)


def dropout(call: Call, inputs: Inputs) -> tuple[Tensor, Tensor]:
    if call.known.get(2):
        raise UnsupportedError("train mode: it is random")
    x: Tensor = inputs[0]
    return x, torch.ones_like(x, dtype=torch.bool)
