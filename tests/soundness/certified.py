"""A small network with a certificate in each norm, written once."""

import json
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from lipcert.bounds.engine import bound
from lipcert.graph.capture import capture, trace
from lipcert.graph.graph import Graph
from lipcert.rules.domain import Box
from tests.soundness.tampering import Document

SHAPE = (1, 2, 6, 6)


class Network(nn.Module):
    """Convolution, batch norm, pooling, and a residual block with a function that bends on the domain."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.pool = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.MaxPool2d(2)
        self.left, self.right, self.head = nn.Linear(27, 12), nn.Linear(12, 27), nn.Linear(27, 4)
        self.act: Callable[[Tensor], Tensor] = nn.functional.gelu

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.pool(torch.relu(self.norm(self.stem(x)))).flatten(1)
        h = h + self.right(self.act(self.left(h)))
        return {"features": h, "logits": self.head(h)}


def network() -> Network:
    torch.manual_seed(0)
    model = Network().eval()
    model.norm.running_var.uniform_(0.5, 2.0)
    return model


def graph_of(model: nn.Module, shape: tuple[int, ...] = SHAPE, output: str = "logits") -> Graph:
    example = torch.zeros(shape)
    return trace(capture(model, (example,)), (example,), output=output)


@cache
def original() -> Graph:
    return graph_of(network())


@cache
def written(norm: str) -> str:
    domain = Box(0, 1)
    done = bound(network(), torch.zeros(SHAPE), norm=norm, domain=domain, output="logits", seconds=0.2)
    return json.dumps(done.certificate, allow_nan=False)


def document_of(norm: str) -> Document:
    document: Document = json.loads(written(norm))
    return document
