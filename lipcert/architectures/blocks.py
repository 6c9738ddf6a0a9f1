"""Transformer blocks, for decoders and encoders alike: attention and MLP, each beside a skip connection."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipcert.architectures.arguments import BlockArguments

GELU_SLOPE = 1.1289041452
"""Above the largest slope of GELU, 1.12890414514…; arXiv 2507.13338 divides by 1.1289, which is below it."""

_EPS = 1e-5


class UnitGELU(nn.Module):
    """GELU divided by its largest slope: 1-Lipschitz."""

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x) / GELU_SLOPE


def activation(arguments: BlockArguments) -> nn.Module:
    if arguments.activation == "unit_gelu":
        return UnitGELU()
    if arguments.activation == "relu":
        return nn.ReLU()
    return nn.GELU(approximate="tanh" if arguments.activation == "gelu_tanh" else "none")


def norm(arguments: BlockArguments) -> nn.Module:
    if arguments.norm == "layer":
        return nn.LayerNorm(arguments.width, eps=_EPS, bias=arguments.bias)
    return nn.RMSNorm(arguments.width, eps=_EPS) if arguments.norm == "rms" else nn.Identity()


class Rotary(nn.Module):
    """Rotary positions in the rotate-half layout: entries i and i + d/2 turn by the angle t·10000^(-2i/d).

    The tables, (context, d_head), are persistent: a checkpoint holds the very numbers that the network was
    trained with, whatever cosine the machine that loads it computes.
    """

    def __init__(self, context: int, d_head: int) -> None:
        super().__init__()
        frequencies = 10000.0 ** (-torch.arange(0, d_head, 2, dtype=torch.float64) / d_head)
        angles = torch.outer(torch.arange(context, dtype=torch.float64), frequencies).repeat(1, 2)
        self.register_buffer("cos", angles.cos().to(torch.get_default_dtype()))
        self.register_buffer("sin", angles.sin().to(torch.get_default_dtype()))
        self.cos: Tensor
        self.sin: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(…, tokens, d_head) → the same."""
        first, second = x.chunk(2, dim=-1)
        cos, sin = self.cos[: x.shape[-2]], self.sin[: x.shape[-2]]
        return x * cos + torch.cat([-second, first], dim=-1) * sin


class Attention(nn.Module):
    """Heads of softmax(scale·q·k)·v, joined and mapped by `output`; (batch, tokens, width) → the same."""

    def __init__(self, arguments: BlockArguments, *, causal: bool) -> None:
        super().__init__()
        width, bias = arguments.width, arguments.bias
        self.query = nn.Linear(width, width, bias)
        self.key = nn.Linear(width, width, bias)
        self.value = nn.Linear(width, width, bias)
        self.output = nn.Linear(width, width, bias)
        rms = nn.RMSNorm(arguments.d_head, eps=_EPS, elementwise_affine=False)
        self.qk_norm = rms if arguments.qk_norm else nn.Identity()
        self.heads, self.causal, self.factor = arguments.heads, causal, arguments.attention_output
        root = arguments.attention_divisor == "sqrt(d_head)"
        self.scale = arguments.attention_scale / (arguments.d_head**0.5 if root else arguments.d_head)

    def forward(self, x: Tensor, rotary: nn.Module) -> Tensor:
        q = rotary(self.qk_norm(self._split(self.query(x))))
        k = rotary(self.qk_norm(self._split(self.key(x))))
        v = self._split(self.value(x))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal, scale=self.scale)
        joined: Tensor = self.output(y.transpose(1, 2).reshape(x.shape))
        return joined * self.factor

    def _split(self, x: Tensor) -> Tensor:
        """(batch, tokens, width) → (batch, heads, tokens, d_head)."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class MLP(nn.Module):
    """width → 4·width → width."""

    def __init__(self, arguments: BlockArguments) -> None:
        super().__init__()
        self.input = nn.Linear(arguments.width, 4 * arguments.width, arguments.bias)
        self.activation = activation(arguments)
        self.output = nn.Linear(4 * arguments.width, arguments.width, arguments.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.output(self.activation(self.input(x)))
        return y


class Block(nn.Module):
    """Attention, then an MLP, each with its skip connection; (batch, tokens, width) → the same."""

    def __init__(self, arguments: BlockArguments, *, causal: bool) -> None:
        super().__init__()
        self.attention_norm, self.attention = norm(arguments), Attention(arguments, causal=causal)
        self.mlp_norm, self.mlp = norm(arguments), MLP(arguments)
        self.post_norm = arguments.post_norm
        convex = arguments.residual == "convex"
        self.share = 1 / (2 * arguments.layers) if convex else None

    def forward(self, x: Tensor, rotary: nn.Module) -> Tensor:
        if self.post_norm:
            x = self.attention_norm(self._add(x, self.attention(x, rotary)))
            y: Tensor = self.mlp_norm(self._add(x, self.mlp(x)))
            return y
        x = self._add(x, self.attention(self.attention_norm(x), rotary))
        return self._add(x, self.mlp(self.mlp_norm(x)))

    def _add(self, x: Tensor, branch: Tensor) -> Tensor:
        return x + branch if self.share is None else (1 - self.share) * x + self.share * branch
