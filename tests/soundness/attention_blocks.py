"""Attention in many forms as small torch modules, for the tests of attention regions and of token norms."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

T = 5


@dataclass(frozen=True)
class Form:
    """One attention. positions: how queries and keys are turned: halves, pairs (or pairs with the
    sine first), or by tables that are no rotation.

    norm: before the projections. heads_norm: RMS norm of every head's queries and keys. fused: one layer for queries,
    keys and values. output: a layer that joins the heads. moved: what else happens to the tokens on their way.
    sizes: factors of the weights of the heads. bias: the size of the biases, None for layers without.
    """

    width: int = 6
    heads: int = 2
    kv_heads: int = 2
    head: int = 2
    tokens: int = T
    bias: float | None = 1.0
    norm: str = ""
    positions: str = ""
    heads_norm: bool = False
    causal: bool = False
    alibi: bool = False
    scale: float = 0.7
    output: bool = True
    fused: bool = False
    moved: str = ""
    query: float = 1.0
    key: float = 1.0
    value: float = 1.0
    key_bias: float = 1.0
    sizes: tuple[float, ...] = field(default=())
    rank: int = 99


class Attention(nn.Module):
    """(batch, tokens, width) → the same, or what the heads give side by side."""

    def __init__(self, form: Form, seed: int) -> None:
        super().__init__()
        self.form, generator = form, torch.Generator().manual_seed(seed)
        inner = [n * form.head for n in (form.heads, form.kv_heads, form.kv_heads)]
        factors = (form.query, form.key, form.value)
        layers = [self._layer(rows, f, generator) for rows, f in zip(inner, factors, strict=True)]
        if layers[1].bias is not None:
            layers[1].bias.data *= form.key_bias
        self.inner = inner
        self.parts = nn.ModuleList([self._fused(layers)] if form.fused else layers)
        self.output = nn.Linear(inner[0], form.width, form.bias is not None).double() if form.output else nn.Identity()
        if form.output:
            for part in self.output.parameters():
                part.data = torch.randn(part.shape, generator=generator, dtype=torch.float64)
        norms: dict[str, Callable[[], nn.Module]] = {
            "": nn.Identity,
            "layer": lambda: nn.LayerNorm(form.width),
            "rms": lambda: nn.RMSNorm(form.width, eps=1e-3),
        }
        self.norm = norms[form.norm]().double()
        for part in self.norm.parameters():
            part.data = torch.randn(part.shape, generator=generator, dtype=torch.float64)
        self.heads_norm = nn.RMSNorm(form.head, eps=1e-2) if form.heads_norm else nn.Identity()
        angles = torch.outer(torch.arange(form.tokens), 10.0 ** -torch.arange(max(form.head // 2, 1))).double()
        self.cos, self.sin = angles.cos(), angles.sin()
        if form.positions == "no rotation":
            self.cos, self.sin = (torch.randn(angles.shape, generator=generator, dtype=torch.float64) for _ in range(2))

    def _layer(self, rows: int, factor: float, generator: torch.Generator) -> nn.Linear:
        form = self.form
        layer = nn.Linear(form.width, rows, form.bias is not None).double()
        rank = min(form.rank, form.width, rows)
        left, right = (
            torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((rows, rank), (rank, form.width))
        )
        sizes = torch.tensor(form.sizes or (1.0,), dtype=torch.float64)[: rows // form.head]
        spread = sizes.repeat(form.heads)[: rows // form.head].repeat_interleave(form.head)
        layer.weight.data = factor * spread[:, None] * (left @ right) / math.sqrt(form.width * rank)
        if layer.bias is not None:
            layer.bias.data = form.bias * torch.randn(rows, generator=generator, dtype=torch.float64)
        return layer

    def _fused(self, layers: list[nn.Linear]) -> nn.Linear:
        joined = nn.Linear(self.form.width, sum(self.inner), self.form.bias is not None).double()
        joined.weight.data = torch.cat([layer.weight.data for layer in layers])
        if joined.bias is not None:
            joined.bias.data = torch.cat([layer.bias.data for layer in layers])
        return joined

    def forward(self, x: Tensor) -> Tensor:
        form, h = self.form, self.norm(x)
        parts = self.parts[0](h).split(self.inner, -1) if form.fused else [part(h) for part in self.parts]
        if form.moved == "keys shifted":  # half of a key from the token before, and no affine map of one token
            shifted = torch.cat([parts[1][:, -1:], parts[1][:, :-1]], 1)
            half = form.head // 2
            key = torch.relu(torch.cat([parts[1][..., :half], shifted[..., half:]], -1))
            parts = [parts[0], key, parts[2]]
        q, k, v = (part.reshape(len(x), form.tokens, -1, form.head).transpose(1, 2) for part in parts)
        q, k = (self._turn(self.heads_norm(part)) for part in (q, k))
        if form.moved == "heads rolled":  # the heads of one output row take their queries from different tokens
            q = torch.cat([q[:, i : i + 1].roll(i, 2) for i in range(form.heads)], 1)
        if form.moved == "queries twice":
            q = q.repeat_interleave(2, 2)
        y = self._attend(q, k, v).transpose(1, 2).flatten(2)
        y = self.output(y)
        return y.reshape(len(x), form.tokens, -1) if form.moved == "queries twice" else y

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        form, mask = self.form, None
        if form.alibi:
            offset = torch.arange(q.shape[2])[:, None] - torch.arange(k.shape[2])
            mask = (-offset.abs() * 2.0 ** -torch.arange(1.0, form.heads + 1)[:, None, None]).double()
            if form.causal:
                mask = mask.masked_fill(offset < 0, -math.inf)
        if form.scale < 0 or form.moved == "logits filled":  # torch takes the root of a scale; and no constant logits
            k, v = (part.repeat_interleave(form.heads // form.kv_heads, 1) for part in (k, v))
            logits = form.scale * (q @ k.mT) + (0.0 if mask is None else mask)
            later = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).triu(1)
            if form.causal or form.moved == "logits filled":
                logits = logits.masked_fill(later, 0.5 if form.moved == "logits filled" else -math.inf)
            return torch.softmax(logits, -1) @ v
        return F.scaled_dot_product_attention(
            q, k, v, mask, scale=form.scale, is_causal=form.causal and mask is None,
            enable_gqa=form.kv_heads < form.heads,
        )  # fmt: skip

    def _turn(self, x: Tensor) -> Tensor:
        positions = self.form.positions
        if not positions:
            return x
        if positions.startswith("pairs"):
            a, b = x[..., ::2], x[..., 1::2]
            second = b * self.cos + a * self.sin if positions == "pairs" else a * self.sin + b * self.cos
            return torch.stack([a * self.cos - b * self.sin, second], -1).flatten(-2)
        a, b = x.chunk(2, -1)
        return torch.cat([a * self.cos - b * self.sin, b * self.cos + a * self.sin], -1)


def random_form(seed: int) -> Form:
    rng = np.random.default_rng(seed)

    def pick(*values: object) -> object:
        return values[int(rng.integers(len(values)))]

    heads = int(pick(1, 2, 2, 3, 4, 8))  # type: ignore[call-overload]
    head = int(pick(1, 2, 2, 4) if heads < 8 else 2)  # type: ignore[call-overload]
    positions = pick("", "", "halves", "pairs", "no rotation") if head > 1 else ""
    return Form(
        width=int(pick(4, 6, heads * head)),  # type: ignore[call-overload]
        heads=heads, head=head,
        kv_heads=int(pick(heads, heads, 1)),  # type: ignore[call-overload]
        tokens=int(rng.integers(2, 6)),
        bias=pick(None, 0.5, 5.0), norm=pick("", "", "layer", "rms"), positions=positions,
        heads_norm=pick(False, False, True), causal=pick(False, True), alibi=pick(False, False, True),
        scale=pick(0.5, 1.0, -0.8, 0.05), output=pick(True, True, False), fused=pick(False, True),
        query=10.0 ** float(rng.uniform(-1, 0.7)), key=10.0 ** float(rng.uniform(-1, 0.7)),
        key_bias=pick(1.0, 1.0, 30.0), rank=int(pick(99, 99, 1)),  # type: ignore[call-overload]
        sizes=pick((), (), tuple(10.0 ** rng.uniform(-2, 1, 8)), (0.0, *([1.0] * 7))),
    )  # type: ignore[arg-type]  # fmt: skip


class Function(nn.Module):
    """A function of (batch, tokens, features) without weights of its own, as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@dataclass(frozen=True)
class Sharp:
    """A function of tokens no longer than `radius` that moves far at one point in one direction: its derivative there
    is `slope` or more, token by token."""

    function: Callable[[Tensor], Tensor]
    point: Tensor
    direction: Tensor
    radius: float
    slope: float


def _picked(width: int, *features: int) -> Tensor:
    return torch.eye(width, dtype=torch.float64)[list(features)]


def _entries(values: dict[tuple[int, int], float], tokens: int, width: int) -> Tensor:
    x = torch.zeros(1, tokens, width, dtype=torch.float64)
    for place, value in values.items():
        x[0][place] = value
    return x


def _keep(*tokens: int) -> Tensor:
    """A mask that lets all four queries see these keys alone."""
    return torch.isin(torch.arange(4), torch.tensor(tokens)).expand(4, 4)


def keys_of_two_tokens() -> Sharp:
    """Both tokens of a key move by 1, so it moves by √2, as far as both of its logits do not cancel."""

    def f(x: Tensor) -> Tensor:
        places = torch.tensor([[4 * t, 4 * ((t - 1) % 4) + 1] for t in range(4)]).flatten()
        both = x.reshape(len(x), 16)[:, places].reshape(len(x), 4, 2)
        k, q = torch.relu(both + 10.0), torch.relu(1e-9 * both + 10.0)
        v = F.pad(F.linear(x, _picked(4, 2)), (0, 1))
        return F.scaled_dot_product_attention(q, k, v, _keep(0, 2), scale=10.0)

    direction = {(0, 0): 1.0, (3, 1): 1.0, (2, 0): -1.0, (1, 1): -1.0}
    point = _entries({(0, 2): 1.0, (2, 2): -1.0}, 4, 4)
    return Sharp(f, point, _entries(direction, 4, 4), 1.0, 10 * math.sqrt(2) * 10 * math.sqrt(2))


def heads_of_two_tokens() -> Sharp:
    """The queries of an output's two heads are of different tokens, and each moves as far as a token can."""

    def f(x: Tensor) -> Tensor:
        k, v = (F.linear(x, c * _picked(6, 0, 1))[:, None] for c in (1.0, 0.5))
        q = F.linear(x, _picked(6, 2, 3, 4, 5)).reshape(len(x), 4, 2, 2).transpose(1, 2)
        q = q.reshape(len(x), 8, 2)[:, torch.tensor([0, 1, 2, 3, 5, 6, 7, 4])].reshape(len(x), 2, 4, 2)
        y = F.scaled_dot_product_attention(q, k, v, _keep(2, 3), scale=1.0, enable_gqa=True)
        return y.transpose(1, 2).reshape(len(x), 4, 4)

    point = _entries({(0, 3): 5.0, (1, 5): 5.0, (2, 0): 5.0, (3, 0): -5.0}, 4, 6)
    direction = _entries({(0, 2): 1.0, (1, 4): 1.0, (2, 1): 1.0, (3, 1): -1.0}, 4, 6)
    return Sharp(f, point, direction, 5.0, math.sqrt(2) * 0.5 * 2 * 25)


def two_queries_a_token() -> Sharp:
    """Both rows of the output that a token asks for move alike, and stand side by side in the end."""

    def f(x: Tensor) -> Tensor:
        q, eye = x.repeat_interleave(2, 1), _picked(3, 0, 1, 2)
        y = F.scaled_dot_product_attention(q, F.linear(x, eye), F.linear(x, eye), scale=1e-3)
        return F.linear(y, eye).reshape(len(x), 2, 6)

    return Sharp(f, _entries({}, 2, 3), _entries({(0, 0): 1.0, (1, 0): 1.0}, 2, 3), 1.0, math.sqrt(2))


def a_logit_filled() -> Sharp:
    """The keys all move alike, and so do the logits but one that a mask holds: far keys, b_K, count after all."""

    def f(x: Tensor) -> Tensor:
        k = F.linear(x, 1e-6 * _picked(3, 1), torch.tensor([30.0], dtype=torch.float64))
        q, v = F.linear(x, _picked(3, 0)), F.linear(x, _picked(3, 2))
        logits = (q @ k.mT).masked_fill(torch.tensor([False, True]).expand(2, 2), 0.0)
        return torch.softmax(logits, -1) @ v

    return Sharp(f, _entries({(0, 2): 1.0, (1, 2): -1.0}, 2, 3), _entries({(0, 0): 1.0, (1, 0): 1.0}, 2, 3), 1.0, 15.0)


SHARP = (keys_of_two_tokens, heads_of_two_tokens, two_queries_a_token, a_logit_filled)
