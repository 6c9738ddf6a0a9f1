"""Networks that files are loaded into, as a person's own module has them: tests name it with `--arch`."""

import torch
from torch import Tensor, nn


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(4, 4, bias=False)
        self.decode = nn.Linear(4, 4, bias=False)
        self.decode.weight = self.encode.weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.decode(torch.relu(self.encode(x)))
        return y


def mlp() -> tuple[nn.Module, Tensor]:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.rand(1, 4)


def net() -> tuple[nn.Module, Tensor]:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.BatchNorm1d(3), nn.Linear(3, 2)), torch.rand(1, 4)


def bare() -> nn.Module:
    return net()[0]


def double() -> tuple[nn.Module, Tensor]:
    return net()[0].double(), torch.rand(1, 4)


def half() -> tuple[nn.Module, Tensor]:
    return net()[0].half(), torch.rand(1, 4).half()


def tied() -> tuple[nn.Module, Tensor]:
    return Tied(), torch.rand(1, 4)


def empty() -> tuple[nn.Module, Tensor]:
    with torch.device("meta"):
        return net()[0], torch.rand(1, 4, device="cpu")


def lazy() -> nn.Module:
    return nn.LazyLinear(2)


def raises() -> nn.Module:
    raise RuntimeError("no such dataset")


def wrong() -> str:
    return "a string"


def needs(width: int) -> nn.Module:
    return nn.Linear(width, width)
