"""A small residual convolutional network."""

from itertools import pairwise

from torch import Tensor, nn

from lipcert.architectures.arguments import CNNArguments
from lipcert.architectures.mlp import ACTIVATIONS


def cnn(arguments: CNNArguments) -> nn.Sequential:
    """Takes (batch, in_channels, height, width), returns (batch, classes)."""
    stages = arguments.stages
    layers: list[nn.Module] = [nn.Conv2d(arguments.in_channels, stages[0], 3, padding=1)]
    for index, (fan_in, fan_out) in enumerate(pairwise([stages[0], *stages])):
        layers.append(ResidualBlock(fan_in, fan_out, 1 if index == 0 else 2, arguments))
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(stages[-1], arguments.classes)]
    return nn.Sequential(*layers)


class ResidualBlock(nn.Module):
    """activation(shortcut(x) + branch(x)); the branch is convolution, activation, convolution."""

    def __init__(self, fan_in: int, fan_out: int, stride: int, arguments: CNNArguments) -> None:
        super().__init__()
        normalise = nn.BatchNorm2d if arguments.batch_norm else nn.Identity
        self.branch = nn.Sequential(
            nn.Conv2d(fan_in, fan_out, 3, stride, padding=1, bias=not arguments.batch_norm),
            normalise(fan_out),
            ACTIVATIONS[arguments.activation](),
            nn.Conv2d(fan_out, fan_out, 3, padding=1, bias=not arguments.batch_norm),
            normalise(fan_out),
        )
        keeps_shape = fan_in == fan_out and stride == 1
        self.shortcut = nn.Identity() if keeps_shape else nn.Conv2d(fan_in, fan_out, 1, stride)
        self.activation = ACTIVATIONS[arguments.activation]()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.shortcut(x) + self.branch(x))
        return y
