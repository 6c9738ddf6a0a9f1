"""Multilayer perceptrons."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import nn

Activation = Literal["relu", "tanh", "sigmoid", "gelu", "silu", "softplus"]

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
}


class MLPArguments(BaseModel):
    """`widths` from the input to the output, such as [64, 64, 10]: at least one linear layer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    widths: Annotated[list[PositiveInt], Field(min_length=2, max_length=1000)]
    activation: Activation = "relu"
    bias: bool = True


def mlp(arguments: MLPArguments) -> nn.Sequential:
    """Takes (batch, …) with widths[0] numbers in all, returns (batch, widths[-1])."""
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(arguments.widths):
        layers += [nn.Linear(fan_in, fan_out, bias=arguments.bias), ACTIVATIONS[arguments.activation]()]
    return nn.Sequential(*layers[:-1])
