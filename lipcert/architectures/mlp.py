"""Multilayer perceptrons."""

from itertools import pairwise

from torch import nn

from lipcert.architectures.arguments import Activation, MLPArguments

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
}


def mlp(arguments: MLPArguments) -> nn.Sequential:
    """Takes (batch, …) with widths[0] numbers in all, returns (batch, widths[-1])."""
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(arguments.widths):
        layers += [nn.Linear(fan_in, fan_out, bias=arguments.bias), ACTIVATIONS[arguments.activation]()]
    return nn.Sequential(*layers[:-1])
