"""A network of token ids, and what tests make of its embedding."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lipcert.graph.graph import Graph

IDS = torch.tensor([[3, 0, 7, 7, 1]])
ROWS, WIDTH = 9, 4


class Tokens(nn.Module):
    """An embedding and what `rest` makes of its values and of the ids."""

    def __init__(self, rest: Callable[..., Any] = lambda net, x, ids: net.linear(x), **options: Any) -> None:
        super().__init__()
        self.words = nn.Embedding(ROWS, WIDTH, **options)
        self.places = nn.Embedding(5, WIDTH)
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.rest = rest

    def forward(self, ids: Tensor, *others: Tensor) -> Any:
        return self.rest(self, self.words(ids), ids, *others)


def scaled(net: Any, x: Tensor, ids: Tensor) -> Tensor:
    places = net.places(torch.arange(ids.shape[1]) + torch.zeros_like(ids))
    return net.linear(math.sqrt(WIDTH) * x + places) * torch.ones_like(ids)[..., None]  # type: ignore[no-any-return]


def masked(net: Any, x: Tensor, ids: Tensor) -> Tensor:
    return net.linear(x) * (ids != 0)[..., None]  # type: ignore[no-any-return]


def both(net: Any, x: Tensor, ids: Tensor) -> Tensor:
    return net.linear(x + net.places((ids != 1).cumsum(1) - 1))  # type: ignore[no-any-return]


def same(graph: Graph, x: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(graph(x)[0].float(), expected.detach(), rtol=1e-4, atol=1e-5)
