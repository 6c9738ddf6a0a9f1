"""Networks of published checkpoints, for `--arch benchmarks/networks.py:NAME`: each returns (module, example_inputs).

Where the authors normalise pixels, the network begins with that map: all of them take pixels in [0, 1].
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

Network = tuple[nn.Module, Tensor]

_MNIST = (1, 1, 28, 28)
_CIFAR = (1, 3, 32, 32)


class Normalise(nn.Module):
    """(x - mean) / std, channel by channel."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class Normalised(nn.Sequential):
    """Layers that keep the numbers their checkpoint gives them, on normalised pixels."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.normalise = Normalise(mean, std)

    def forward(self, x: Tensor) -> Tensor:
        x = self.normalise(x)
        for name, layer in self.named_children():
            if name != "normalise":
                x = layer(x)
        return x


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _conv_small(channels: int, flat: int, padding: int, activation: type[nn.Module]) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, 16, 4, stride=2, padding=padding),
        activation(),
        nn.Conv2d(16, 32, 4, stride=2, padding=padding),
        activation(),
        nn.Flatten(),
        nn.Linear(flat, 100),
        activation(),
        nn.Linear(100, 10),
    ]


def mnist_6_100() -> Network:
    return _mlp(784, 100, 100, 100, 100, 100, 10), torch.rand(_MNIST)


def mnist_9_200() -> Network:
    return _mlp(784, *[200] * 8, 10), torch.rand(_MNIST)


def spectral_mlp() -> Network:
    return _mlp(784, 100, 100, 10), torch.rand(_MNIST)


def mnist_conv_small() -> Network:
    return Normalised((0.1307,), (0.3081,), *_conv_small(1, 800, 0, nn.ReLU)), torch.rand(_MNIST)


def kw_mnist() -> Network:
    return nn.Sequential(*_conv_small(1, 1568, 1, nn.ReLU)), torch.rand(_MNIST)


def cifar_conv_small_sigmoid() -> Network:
    layers = _conv_small(3, 1152, 0, nn.Sigmoid)
    return Normalised((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), *layers), torch.rand(_CIFAR)


def cifar_wide() -> Network:
    layers = _conv_small(3, 2048, 1, nn.ReLU)
    return Normalised((0.485, 0.456, 0.406), (0.225, 0.225, 0.225), *layers), torch.rand(_CIFAR)


class Block(nn.Module):
    """relu(shortcut(x) + conv2(relu(conv1(x)))); the authors replaced BatchNorm by the identity."""

    def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(fan_in, fan_out, 3, stride, padding=1)
        self.conv2 = nn.Conv2d(fan_out, fan_out, 3, padding=1)
        self.shortcut = nn.Sequential()
        if stride != 1 or fan_in != fan_out:
            self.shortcut = nn.Sequential(nn.Conv2d(fan_in, fan_out, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.shortcut(x) + self.conv2(torch.relu(self.conv1(x))))


class ResNet(nn.Module):
    """The CIFAR-10 residual networks of the Verification of Neural Networks Competition 2021."""

    def __init__(self, width: int, stages: int, flat: int) -> None:
        super().__init__()
        self.normalise = Normalise((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616))
        self.conv1 = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.layer1 = nn.Sequential(Block(width, 2 * width, 2), Block(2 * width, 2 * width, 1))
        self.layer2 = nn.Sequential()
        if stages == 2:
            self.layer2 = nn.Sequential(Block(2 * width, 2 * width, 2), Block(2 * width, 2 * width, 1))
        self.linear1 = nn.Linear(flat, 100)
        self.linear2 = nn.Linear(100, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1(self.normalise(x)))
        x = self.layer2(self.layer1(x)).flatten(1)
        return self.linear2(torch.relu(self.linear1(x)))


def resnet2b() -> Network:
    return ResNet(8, 1, 1024), torch.rand(_CIFAR)


def resnet4b() -> Network:
    return ResNet(16, 2, 512), torch.rand(_CIFAR)


class MinMax(nn.Module):
    """The elementwise maximum of two convolutional branches, then a third."""

    def __init__(self) -> None:
        super().__init__()
        self.seq1, self.seq2 = self._branch(), self._branch()
        self.seq3 = nn.Sequential(
            nn.Conv2d(32, 8, 2, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(128, 100),
            nn.ReLU(),
            nn.Linear(100, 10),
        )

    @staticmethod
    def _branch() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 4, stride=2, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.seq3(torch.maximum(self.seq1(x), self.seq2(x)))


def mnist_min_max() -> Network:
    return MinMax(), torch.rand(_MNIST)
