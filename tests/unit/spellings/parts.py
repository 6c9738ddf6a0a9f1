"""What the spellings share: their sizes, masks, and the modules round a function.

Every part takes one float64 tensor of shape (1, T, D); heads H, of width D/H.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

T, D, H = 6, 8, 2
E = D // H

Heads = Callable[[Tensor, Tensor, Tensor], Tensor]

CAUSAL = torch.ones(T, T, dtype=torch.bool).tril()
INFINITE = torch.zeros(T, T, dtype=torch.float64).masked_fill(~CAUSAL, -math.inf)
LOWEST = torch.zeros(T, T, dtype=torch.float64).masked_fill(~CAUSAL, torch.finfo(torch.float32).min)
ALIBI = torch.tensor([0.5, 0.25])[:, None, None] * -(torch.arange(T)[:, None] - torch.arange(T)).abs()
PADDING = torch.tensor([[True] * (T - 2) + [False] * 2])


class SelfAttention(nn.Module):
    """Projections to q, k and v of shape (1, H, T, E), and what `heads` makes of them, (1, H, T, E), joined."""

    def __init__(self, heads: Heads, kv: int = H) -> None:
        super().__init__()
        self.query = nn.Linear(D, D)
        self.key, self.value = nn.Linear(D, kv * E), nn.Linear(D, kv * E)
        self.output = nn.Linear(D, D)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part(x).view(1, T, -1, E).transpose(1, 2) for part in (self.query, self.key, self.value))
        y: Tensor = self.output(self.heads(q, k, v).transpose(1, 2).reshape(1, T, D))
        return y


class Function(nn.Module):
    """A function of the input, with the modules in it."""

    def __init__(self, function: Callable[[Tensor], Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)
