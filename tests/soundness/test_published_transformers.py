"""Formulas that published code uses as bounds of transformers, each with its counter-example, and the proof above it.

As in `test_published_mistakes`: the measurement beats the claim, and does not beat what lipcert proves. Weights are
orthogonal, so that every l2 norm in a formula is 1; norms are token-rms, as in arXiv 2507.13338.
"""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

import lipcert
from tests.soundness.test_published_mistakes import Function, require

WIDTH, HEADS, TOKENS = 8, 4, 4


class Attention(nn.Module):
    """`output · heads(softmax(scale · q·k / d_head) v)`, every projection orthogonal, without biases."""

    def __init__(self, heads: int = HEADS, scale: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        self.heads, self.scale = heads, scale
        torch.manual_seed(seed)
        self.q, self.k, self.v, self.o = (orthogonal(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        split = (*x.shape[:2], self.heads, WIDTH // self.heads)
        q, k, v = (part(x).reshape(split).transpose(1, 2) for part in (self.q, self.k, self.v))
        logits = self.scale * q @ k.transpose(-1, -2) / (WIDTH // self.heads)
        y: Tensor = self.o((logits.softmax(-1) @ v).transpose(1, 2).reshape(x.shape))
        return y


def orthogonal(rows: int, columns: int) -> nn.Linear:
    layer = nn.Linear(columns, rows, bias=False)
    nn.init.orthogonal_(layer.weight)
    return layer


def rms(x: Tensor) -> Tensor:
    """The largest root mean square of a token, of each item."""
    return x.square().mean(-1).sqrt().amax(-1)


def proved(module: nn.Module, *shape: int) -> float:
    """In token-rms, where every token has a root mean square of at most 1."""
    domain = lipcert.Box(-1, 1)  # holds more than these tokens, so the proof is the weaker for it
    return lipcert.bound(module.eval(), torch.zeros(1, *shape), norm="token-rms", domain=domain, seconds=0.05).upper


def steepest(
    module: nn.Module, shape: tuple[int, ...], *, size: float = 1.0, steps: int = 150, starts: int = 24
) -> float:
    """The largest ratio, in token-rms, between tokens of a root mean square up to `size`, by ascent in float64."""
    exact = copy.deepcopy(module).double()
    generator = torch.Generator().manual_seed(0)
    x, d = (torch.randn(24, *shape, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    optimiser, best = torch.optim.Adam([x, d], lr=0.05), 0.0
    for _ in range(steps):
        point = x * (0.999 * size / rms(x).clamp_min(1e-9))[:, None, None].clamp(max=1.0)
        move = d / rms(d)[:, None, None] * 1e-4
        ratio = rms(as_tokens(exact(point + move) - exact(point - move))) / rms(2 * move)
        best = max(best, float(ratio.detach().max()))
        optimiser.zero_grad()
        (-ratio.log().sum()).backward()
        optimiser.step()
    return best


def as_tokens(x: Tensor) -> Tensor:
    return x if x.dim() == 3 else x[:, None]


# 3. Heads joined as if all of them read one token: √H is left out of the values' size.


def test_heads_that_read_different_tokens_are_longer_than_one() -> None:
    module = Attention(scale=200.0)
    tokens = torch.randn(1, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = module.double()
    x = torch.nn.Parameter(tokens)
    optimiser = torch.optim.Adam([x], lr=0.02)
    for _ in range(300):
        value = rms(exact(x / rms(x)))
        optimiser.zero_grad()
        (-value.sum()).backward()
        optimiser.step()
    longest = float(rms(exact(x / rms(x)).detach()))
    assert longest > 1.2  # the formula: |O||V||x| = 1
    assert longest <= math.sqrt(HEADS)


# 4. The softmax path in token-rms without d/d_head: 1 + 2 = 3 where 1 + 2·H is the sound form of the same product.


@pytest.mark.parametrize("scale", [1.0])
def test_the_softmax_path_counts_the_heads(scale: float) -> None:
    """The change through the logits alone: values of one set of tokens, queries and keys of another."""

    class Logits(Attention):
        def forward(self, x: Tensor) -> Tensor:
            split = (*x.shape[:2], self.heads, WIDTH // self.heads)
            q, k = (part(x).reshape(split).transpose(1, 2) for part in (self.q, self.k))
            logits: Tensor = self.scale * q @ k.transpose(-1, -2) / (WIDTH // self.heads)
            return logits.transpose(1, 2).reshape(*x.shape[:2], -1).abs().amax(-1, keepdim=True)

    module = Logits(scale=scale)
    claim = 2 * scale  # |q||k| with |q|, |k| <= 1 in root mean square, and a scale of 1/d_head
    measured = steepest(module, (TOKENS, WIDTH))
    assert measured > 1.5 * claim
    assert measured <= 2 * scale * HEADS * (1 + 1e-9)


# 5. The attention scale multiplied onto the value path.


def test_the_value_path_does_not_depend_on_the_attention_scale() -> None:
    module = Attention(heads=1, scale=0.01)
    require(0.01 * 3, steepest(module, (TOKENS, WIDTH)), proved(Attention(heads=1, scale=0.01), TOKENS, WIDTH))


# 6. The unembedding measured by the root mean square of its rows.


def test_one_logit_moves_further_than_the_rms_of_a_row() -> None:
    weight = torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(0))
    layer = nn.Linear(WIDTH, 1, bias=False)
    layer.weight.data = weight
    claim = float(weight.square().mean().sqrt())
    require(claim, steepest(layer, (TOKENS, WIDTH)), proved(layer, TOKENS, WIDTH), excess=0.9 * WIDTH)


# 7. Scales of logits and of residuals left out.


def test_scales_of_logits_and_residuals_count_in_a_block() -> None:
    def block() -> nn.Module:
        torch.manual_seed(0)
        parts = {"inner": orthogonal(WIDTH, WIDTH), "head": orthogonal(WIDTH, WIDTH)}
        return Function(lambda self, x: 8.0 * self.head(x + 3.0 * torch.tanh(self.inner(x))), **parts)

    require(2.0, steepest(block(), (TOKENS, WIDTH)), proved(block(), TOKENS, WIDTH))


# 8. Normalisation before attention declared to have gain 1.


def test_a_normalised_block_multiplies_small_differences() -> None:
    def block() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.LayerNorm(WIDTH), Attention(heads=1))

    small = steepest(block(), (TOKENS, WIDTH), size=0.01)
    require(3.0, small, proved(block(), TOKENS, WIDTH))


def test_the_whole_attention_stays_below_its_proof() -> None:
    for heads in (1, 2, 4):
        assert steepest(Attention(heads), (TOKENS, WIDTH)) <= proved(Attention(heads), TOKENS, WIDTH) * (1 + 1e-9)
