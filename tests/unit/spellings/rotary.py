"""Rotary positions in the spellings that networks have them in."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.unit.spellings.parts import E, Heads, SelfAttention, T

Turn = Callable[[Tensor, Tensor, Tensor], Tensor]


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """As in Llama: the tables hold every angle twice."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def turned_halves(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    a, b, cos, sin = x[..., :half], x[..., half:], cos[..., :half], sin[..., :half]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def turned_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    a, b, cos, sin = x[..., ::2], x[..., 1::2], cos[..., :half], sin[..., :half]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


def turned_split_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([-b, a], -1).flatten(-2)
    return (
        x * cos.repeat_interleave(2, -1)[..., : x.shape[-1]] + turned * sin.repeat_interleave(2, -1)[..., : x.shape[-1]]
    )


def turned_as_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """As in llama2.c: pairs on an axis of their own from the start."""
    half, pairs = x.shape[-1] // 2, x.reshape(*x.shape[:-1], -1, 2)
    cos, sin = cos[..., :half], sin[..., :half]
    a, b = pairs[..., 0] * cos - pairs[..., 1] * sin, pairs[..., 0] * sin + pairs[..., 1] * cos
    return torch.stack([a, b], -1).reshape(x.shape)


def turned_partly(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """As in GPT-NeoX: the other features stay."""
    part = x.shape[-1] // 2
    return torch.cat([turned(x[..., :part], cos[..., ::2], sin[..., ::2]), x[..., part:]], -1)


TURNS: dict[str, Turn] = {
    "turned": turned,
    "halves": turned_halves,
    "pairs": turned_pairs,
    "split pairs": turned_split_pairs,
    "as pairs": turned_as_pairs,
    "partly": turned_partly,
}


class Rotary(nn.Module):
    """Self-attention with rotary positions in one of the spellings above; buffers of cos and sin, (T, E)."""

    def __init__(self, turn: Turn, heads: Heads, *, inside: bool = False) -> None:
        super().__init__()
        self.turn, self.inside, self.attention = turn, inside, SelfAttention(self._heads)
        self.heads = heads
        # Angles at even places, so that every half of a table holds one for each pair.
        angles = torch.outer(torch.arange(T), 10.0 ** -torch.arange(E // 2)).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def _heads(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.inside:  # before the heads' axis is moved to the front
            cos, sin = self.cos[:, None], self.sin[:, None]
            q, k = (self.turn(part.transpose(1, 2), cos, sin).transpose(1, 2) for part in (q, k))
        else:
            q, k = (self.turn(part, self.cos, self.sin) for part in (q, k))
        return self.heads(q, k, v)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(x)
        return y
