"""Norms written by hand, each with the operations that it becomes."""

from collections.abc import Callable

import torch
from torch import Tensor

from tests.unit.spellings.parts import D

WEIGHT = torch.linspace(0.5, 2, D, dtype=torch.float64)


def rms(x: Tensor) -> Tensor:
    return WEIGHT * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def rms_root(x: Tensor) -> Tensor:
    return x / torch.sqrt((x * x).mean(-1).unsqueeze(-1) + 1e-6) * WEIGHT


def rms_power(x: Tensor) -> Tensor:
    return (x.square().mean(dim=-1, keepdim=True) + 1e-6) ** -0.5 * x


def layer_norm(x: Tensor) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    variance = x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / torch.sqrt(variance + 1e-5) * WEIGHT + 1


def layer_norm_squares(x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return WEIGHT * centred * torch.rsqrt((centred**2).mean(-1, keepdim=True) + 1e-5)


def centred(x: Tensor) -> Tensor:
    return 3 * (x - x.mean(-1, keepdim=True))


def in_float32_norm(x: Tensor) -> Tensor:
    y = x.float()
    return WEIGHT * (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)).to(x.dtype)


NORMS: dict[str, tuple[Callable[[Tensor], Tensor], list[str]]] = {
    "rms": (rms, ["normalise", "scale"]),
    "rms, root": (rms_root, ["normalise", "scale"]),
    "rms, power": (rms_power, ["normalise"]),
    "rms in float32": (in_float32_norm, ["normalise", "scale"]),
    "layer norm": (layer_norm, ["normalise", "scale", "scale"]),
    "layer norm, squares": (layer_norm_squares, ["normalise", "scale"]),
    "centred": (centred, ["centre", "scale"]),
}
