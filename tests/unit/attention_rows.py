"""Transformer parts in the spellings that networks have them in, each with the operations that it becomes.

Every part takes one float64 tensor of shape (1, T, D); heads H, of width D/H.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
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


def plain(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(E), dim=-1) @ v


def scaled_first(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ((q * E**-0.5) @ k.mT).softmax(-1) @ v


def scaled_twice(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ((q @ k.mT) * 0.3 * 0.7).softmax(-1) @ v


def masked_fill(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = (q @ k.mT * E**-0.5).masked_fill(~CAUSAL, -math.inf)
    return F.dropout(scores.softmax(-1), 0.1, training=False) @ v


def masked_where(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.where(CAUSAL[None, None], q @ k.mT, -math.inf)
    return (scores / 2.0).softmax(-1) @ v


def masked_where_tensor(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As in GPT-2 of transformers: the least float, as a tensor."""
    scores = q @ k.mT / torch.full([], E**0.5, dtype=torch.float64)
    least = torch.full([], torch.finfo(torch.float32).min, dtype=torch.float64)
    return torch.where(CAUSAL, scores, least).softmax(-1) @ v


def masked_sum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT * 0.5 + INFINITE).softmax(-1) @ v


def two_masks(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = (q @ k.mT + ALIBI + LOWEST).masked_fill(~PADDING[:, None, None, :], -math.inf)
    return (0.5 * scores).softmax(-1) @ v


def in_float32(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = (q @ k.mT * E**-0.5).float() + LOWEST.float()
    return scores.softmax(-1, dtype=torch.float32).to(q.dtype) @ v


def three_axes(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (part.reshape(H, T, E) for part in (q, k, v))
    scores = torch.baddbmm(ALIBI.double(), q, k.transpose(1, 2), alpha=0.5).view(1, H, T, T) + INFINITE
    return torch.bmm(scores.softmax(-1).view(H, T, T), v).view(1, H, T, E)


def by_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * 0.5 + ALIBI
    return torch.einsum("bhqk,bhkd->bhqd", scores.softmax(-1), v)


def by_einsum_heads_inside(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * 0.5 + INFINITE
    return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v).transpose(1, 2)


def by_einsum_in_odd_order(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.einsum("bhqd,bhkd->qbhk", q, k).masked_fill(~CAUSAL[:, None, None], -math.inf)
    return torch.einsum("qbhk,bhke->bhqe", scores.softmax(-1), v)


def repeated(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As in Llama: one head of keys and values for two of queries."""
    k, v = (part[:, :, None].expand(1, 1, H, T, E).reshape(1, H, T, E) for part in (k, v))
    return plain(q, k, v)


def repeated_for_sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k.repeat_interleave(H, 1), v.repeat_interleave(H, 1), is_causal=True)


def one_head(x: Tensor) -> Tensor:
    return torch.softmax(x @ x.transpose(1, 2) / 3, -1) @ x


def without_batch(x: Tensor) -> Tensor:
    q = x[0]
    return torch.mm(torch.softmax(torch.mm(q, q.t()), -1), 2 * q)[None]


def over_channels(x: Tensor) -> Tensor:
    """Attention between channels: their tokens are what is summed over."""
    y = x.transpose(1, 2)
    return ((y @ x) * 0.2).softmax(-1) @ y


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


Turn = Callable[[Tensor, Tensor, Tensor], Tensor]


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


TURNS: dict[str, Turn] = {
    "turned": turned,
    "halves": turned_halves,
    "pairs": turned_pairs,
    "split pairs": turned_split_pairs,
    "as pairs": turned_as_pairs,
    "partly": turned_partly,
}


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


WEIGHT = torch.linspace(0.5, 2, D, dtype=torch.float64)

NORMS: dict[str, tuple[Callable[[Tensor], Tensor], list[str]]] = {
    "rms": (rms, ["normalise", "scale"]),
    "rms, root": (rms_root, ["normalise", "scale"]),
    "rms, power": (rms_power, ["normalise"]),
    "rms in float32": (in_float32_norm, ["normalise", "scale"]),
    "layer norm": (layer_norm, ["normalise", "scale", "scale"]),
    "layer norm, squares": (layer_norm_squares, ["normalise", "scale"]),
    "centred": (centred, ["centre", "scale"]),
}


def gelu_new(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


def gelu_by_hand(x: Tensor) -> Tensor:
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def gelu_of_converters(x: Tensor) -> Tensor:
    return x * (torch.erf(x / 1.4142135381698608) + 1) * 0.5


def gelu_apart(x: Tensor) -> Tensor:
    y = 3 * x
    return y * (0.5 + 0.5 * torch.erf(y * 0.7071067811865476))


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def swish(x: Tensor) -> Tensor:
    return torch.sigmoid(x) * x


def swish_turned(x: Tensor) -> Tensor:
    return -2 * x * torch.sigmoid(-0.5 * x)


ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], list[str]]] = {
    "gelu_new": (gelu_new, ["gelu_tanh"]),
    "gelu by hand": (gelu_by_hand, ["scale", "gelu", "scale"]),
    "gelu of converters": (gelu_of_converters, ["scale", "gelu", "scale", "scale"]),
    "gelu of what is scaled": (gelu_apart, ["scale", "scale", "gelu", "scale"]),
    "quick_gelu": (quick_gelu, ["scale", "silu", "scale"]),
    "swish": (swish, ["silu"]),
    "swish turned": (swish_turned, ["scale", "silu", "scale"]),
}
"""A function of one entry as a product, with the operations that it becomes."""

PRODUCTS: dict[str, Callable[[Tensor], Tensor]] = {
    "another scale": lambda x: 0.5 * x * (1.0 + torch.tanh(0.7978845608 * (x + 0.044715 * x.pow(3.0)))),
    "another cubic": lambda x: 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.0447 * x.pow(3.0)))),
    "another power": lambda x: 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x.pow(5.0)))),
    "a gate of another entry": lambda x: x * torch.sigmoid(x.flip(-1)),
    "a gate that is shifted": lambda x: x * torch.sigmoid(x + 1),
    "a gate with an offset": lambda x: x * (torch.sigmoid(x) + 1),
    "erf with an offset": lambda x: x * (2 + torch.erf(x)),
    "a shifted factor": lambda x: (x + 1) * torch.sigmoid(x),
    "a gate with a factor an entry": lambda x: x * torch.sigmoid(x * torch.arange(1, D + 1)),
}
"""Products that are none of these functions, and stay."""

sdpa = F.scaled_dot_product_attention
_mha, _tokens_first = nn.MultiheadAttention(D, H, batch_first=True), nn.MultiheadAttention(D, H)
_cell = nn.TransformerEncoderLayer(D, H, 16, batch_first=True, norm_first=True, activation="gelu")
_post = nn.TransformerEncoderLayer(D, H, 16, batch_first=True)


def tokens_first(x: Tensor) -> Tensor:
    y = x.transpose(0, 1)
    z: Tensor = _tokens_first(y, y, y, attn_mask=~CAUSAL)[0]
    return z.transpose(0, 1)


LEARNED = torch.randn(1, H, 3, E, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

ATTENTION: dict[str, tuple[nn.Module, dict[str, object], set[str]]] = {
    # name: the module, attributes of its attention, constants of its attention
    "sdpa": (SelfAttention(sdpa), {"scale": 1 / math.sqrt(E), "group": 1}, set()),
    "sdpa causal": (SelfAttention(lambda q, k, v: sdpa(q, k, v, is_causal=True, scale=0.2)), {"scale": 0.2}, {"keep"}),
    "sdpa bool": (SelfAttention(lambda q, k, v: sdpa(q, k, v, CAUSAL)), {}, {"keep"}),
    "sdpa float": (SelfAttention(lambda q, k, v: sdpa(q, k, v, ALIBI.double())), {}, {"bias"}),
    "sdpa infinite": (SelfAttention(lambda q, k, v: sdpa(q, k, v, INFINITE + ALIBI)), {}, {"bias", "keep"}),
    "sdpa grouped": (SelfAttention(lambda q, k, v: sdpa(q, k, v, enable_gqa=True), kv=1), {"group": H}, set()),
    "sdpa one key head": (SelfAttention(sdpa, kv=1), {"group": H}, set()),
    "sdpa repeated": (SelfAttention(repeated_for_sdpa, kv=1), {"group": H}, {"keep"}),
    "sdpa without heads": (Function(lambda x: sdpa(x, 2 * x, x)), {"group": 1}, set()),
    "sdpa learned queries": (SelfAttention(lambda q, k, v: sdpa(LEARNED, k, v).repeat(1, 1, 2, 1)), {}, set()),
    "plain": (SelfAttention(plain), {"scale": 0.5, "group": 1}, set()),
    "scaled first": (SelfAttention(scaled_first), {"scale": 1.0}, set()),
    "scaled twice": (SelfAttention(scaled_twice), {"scale": 1.0}, set()),
    "masked fill": (SelfAttention(masked_fill), {"scale": 0.5}, {"keep"}),
    "masked where": (SelfAttention(masked_where), {"scale": 0.5}, {"keep"}),
    "masked where tensor": (SelfAttention(masked_where_tensor), {"scale": 0.5}, {"bias", "filled"}),
    "masked sum": (SelfAttention(masked_sum), {"scale": 0.5}, {"keep"}),
    "two masks": (SelfAttention(two_masks), {"scale": 0.5}, {"keep", "bias"}),
    "in float32": (SelfAttention(in_float32), {"scale": 0.5}, {"bias"}),
    "three axes": (SelfAttention(three_axes), {"scale": 0.5}, {"keep", "bias"}),
    "einsum": (SelfAttention(by_einsum), {"scale": 0.5}, {"bias"}),
    "einsum, heads inside": (SelfAttention(by_einsum_heads_inside), {"scale": 0.5}, {"keep"}),
    "einsum, odd order": (SelfAttention(by_einsum_in_odd_order), {"scale": 1.0}, {"keep"}),
    "repeated": (SelfAttention(repeated, kv=1), {"group": H}, set()),
    "one head": (Function(one_head), {"scale": 1.0, "group": 1}, set()),
    "without batch": (Function(without_batch), {"scale": 1.0, "group": 1}, set()),
    "over channels": (Function(over_channels), {"scale": 0.2}, set()),
    "mha with weights": (Function(lambda x: _mha(x, x, x)[0], _mha), {}, set()),
    "mha": (Function(lambda x: _mha(x, x, x, need_weights=False)[0], _mha), {}, set()),
    "mha masked": (
        Function(lambda x: _mha(x, x, x, key_padding_mask=~PADDING, attn_mask=~CAUSAL)[0], _mha), {}, {"keep"}
    ),
    "mha tokens first": (Function(tokens_first, _tokens_first), {}, {"keep"}),
    "encoder layer": (_cell, {}, set()),
    "encoder layer, norms after": (Function(lambda x: _post(x, src_mask=INFINITE), _post), {}, {"keep"}),
}  # fmt: skip


def weights_used_twice(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = (q @ k.mT).softmax(-1)
    return weights @ v + weights.sum(-1, keepdim=True)


def scores_used_twice(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = q @ k.mT
    return scores.softmax(-1) @ v + scores.mean()


def weights_scaled(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ((q @ k.mT).softmax(-1) * torch.tensor([[0.5, 1, 1, 1, 1, 2]])) @ v


def over_queries(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT).softmax(-2) @ v


def weights_turned(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT).softmax(-1).mT @ v


def a_factor_a_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT * torch.tensor([1.0, 2.0])[:, None, None]).softmax(-1) @ v


KEPT_APART: dict[str, nn.Module] = {
    function.__name__: SelfAttention(function)
    for function in (
        weights_used_twice, scores_used_twice, weights_scaled, over_queries, weights_turned, a_factor_a_head,
    )
}  # fmt: skip
"""No attention, or one that is not matched."""
