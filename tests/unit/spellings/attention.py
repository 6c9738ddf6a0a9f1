"""Attention in the spellings that networks have it in, each with what its one node holds."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.unit.spellings.parts import ALIBI, CAUSAL, INFINITE, LOWEST, PADDING, D, E, Function, H, SelfAttention, T


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
