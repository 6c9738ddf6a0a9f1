"""Activations written by hand, each with the operations that it becomes, and products that are none."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tests.unit.spellings.parts import D


def gelu_new(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


def gelu_by_hand(x: Tensor) -> Tensor:
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def gelu_of_converters(x: Tensor) -> Tensor:
    return x * (torch.erf(x / 1.4142135381698608) + 1) * 0.5


def gelu_apart(x: Tensor) -> Tensor:
    y = 3 * x
    return y * (0.5 + 0.5 * torch.erf(y * 0.7071067811865476))


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def swish(x: Tensor) -> Tensor:
    return torch.sigmoid(x) * x


def swish_turned(x: Tensor) -> Tensor:
    return -2 * x * torch.sigmoid(-0.5 * x)


ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], list[str]]] = {
    "gelu_new": (gelu_new, ["gelu_tanh"]),
    "gelu by hand": (gelu_by_hand, ["scale", "gelu", "scale"]),
    "gelu of converters": (gelu_of_converters, ["scale", "gelu", "scale", "scale"]),
    "gelu of what is scaled": (gelu_apart, ["scale", "scale", "gelu", "scale"]),
    "quick_gelu": (quick_gelu, ["scale", "silu", "scale"]),
    "swish": (swish, ["silu"]),
    "swish turned": (swish_turned, ["scale", "silu", "scale"]),
}
"""A function of one entry as a product, with the operations that it becomes."""

PRODUCTS: dict[str, Callable[[Tensor], Tensor]] = {
    "another scale": lambda x: 0.5 * x * (1.0 + torch.tanh(0.7978845608 * (x + 0.044715 * x.pow(3.0)))),
    "another cubic": lambda x: 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.0447 * x.pow(3.0)))),
    "another power": lambda x: 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x.pow(5.0)))),
    "a gate of another entry": lambda x: x * torch.sigmoid(x.flip(-1)),
    "a gate that is shifted": lambda x: x * torch.sigmoid(x + 1),
    "a gate with an offset": lambda x: x * (torch.sigmoid(x) + 1),
    "erf with an offset": lambda x: x * (2 + torch.erf(x)),
    "a shifted factor": lambda x: (x + 1) * torch.sigmoid(x),
    "a gate with a factor an entry": lambda x: x * torch.sigmoid(x * torch.arange(1, D + 1)),
}
"""Products that are none of these functions, and stay."""
