"""Whole transformers in every norm, attacked on the module itself in float64: between sequences of its vocabulary, and
between points of the convex hull.
"""

import copy
import math
from collections.abc import Callable, Sequence
from functools import cache

import pytest
import torch
from torch import Tensor, nn

import lipcert
from lipcert import architectures
from lipcert.certificate.check import check
from lipcert.graph.capture import capture, trace
from lipcert.norms import ball
from tests.soundness.directions import jacobians, steepest
from tests.soundness.measure import Measure, Scales, ratios

ROUNDING = 1e-9
TOKENS = 3
IDS = torch.arange(TOKENS)[None]

SMALL = {"vocabulary": 14, "context": TOKENS, "width": 8, "layers": 2, "heads": 2}
FORMS: dict[str, tuple[str, dict[str, object]]] = {
    "GPT": ("gpt", {}),
    "GPT with LayerNorm": ("gpt", {"norm": "layer", "bias": True, "residual": "plain", "activation": "gelu"}),
    "GPT with RMS norms": ("gpt", {"norm": "rms", "qk_norm": True, "activation": "relu"}),
    "GPT with learned positions": ("gpt", {"positions": "learned", "bias": True, "tied": True, "logit_cap": 5.0}),
    "encoder": ("encoder", {"classes": 3, "norm": "layer", "post_norm": True, "bias": True, "residual": "plain"}),
    "encoder, first token": ("encoder", {"classes": 3, "pooling": "first", "positions": "none", "heads": 1}),
}
NORMS = ("token-l2", "token-rms", "l2", "linf")


@cache
def model_of(name: str, seed: int) -> nn.Module:
    """With weights of several sizes in place of the orthogonal ones that it starts with."""
    kind, more = FORMS[name]
    model = architectures.build(kind, SMALL | more).eval()
    generator = torch.Generator().manual_seed(seed)
    for part in model.parameters():
        size = float(10 ** (torch.rand((), generator=generator) - 1)) if part.dim() > 1 else 1.0
        part.data = size * torch.randn(part.shape, generator=generator)
    return model


def from_tokens(model: nn.Module) -> Callable[[Sequence[Tensor]], Tensor]:
    """The model in float64 as a function of what its embedding returns, (batch, 1, tokens, features)."""
    exact = copy.deepcopy(model).double()

    def f(inputs: Sequence[Tensor]) -> Tensor:
        tokens = inputs[0].squeeze(1)
        hook = exact.embedding.register_forward_hook(lambda *_: tokens)  # type: ignore[union-attr,operator]
        y: Tensor = exact(IDS.expand(len(tokens), TOKENS))
        hook.remove()
        return y

    return f


def scales_of(norm: str, output: Tensor, width: int) -> Scales:
    """Of one input (1, tokens, features) and an output with a batch axis."""

    def measure(shape: Sequence[int]) -> Measure:
        if norm in ("l2", "linf"):
            return norm
        return torch.arange(math.prod(shape[:-1])).reshape(*shape[:-1], 1).expand(*shape)

    # In root mean squares the ratio is √(features in / features out) of that of lengths.
    gain = math.sqrt(width / output.shape[-1]) if norm == "token-rms" else 1.0
    return Scales(measure((1, *output.shape[1:])), [measure((1, TOKENS, width))], [1 / gain])


def attacked(model: nn.Module, norm: str, pairs: int, places: int) -> float:
    """Pairs of sequences, of which some differ in one token; and short pairs round points inside the hull."""
    f, generator = from_tokens(model), torch.Generator().manual_seed(0)
    table = model.embedding.weight.detach().double()  # type: ignore[union-attr,operator]
    ids = torch.randint(len(table), (2, pairs, 1, TOKENS), generator=generator)
    ids[1, ::2, :, 1:] = ids[0, ::2, :, 1:]
    scales = scales_of(norm, f([table[ids[0, :1]]]), table.shape[1])
    best = float(ratios(f, [table[ids[0]]], [table[ids[1]]], scales).max())
    weights = torch.rand(places, 1, TOKENS, len(table), generator=generator, dtype=torch.float64) ** 4 + 1e-3
    inside = (weights / weights.sum(-1, keepdim=True)) @ table
    direction = steepest(jacobians(f, [inside]), scales)[0].reshape(inside.shape)
    step = 1e-5 * direction / direction.abs().amax().clamp_min(1e-300)
    return max(best, float(ratios(f, [inside + step], [inside - step], scales).max()))


def check_transformer(name: str, norm: str, seed: int, *, pairs: int = 200, places: int = 6) -> None:
    model = model_of(name, seed)
    found = lipcert.bound(model, IDS, norm=norm, seconds=0.05)
    assert attacked(model, norm, pairs, places) <= found.upper * (1 + ROUNDING)
    assert 0 < found.lower <= found.upper
    graph = trace(capture(model, (IDS,)), (IDS,), source="embedding")
    assert ball.up(check(found.certificate, graph, "")) == pytest.approx(found.upper, rel=1e-12)


@pytest.mark.parametrize(("name", "norm"), [(name, NORMS[place % 4]) for place, name in enumerate(FORMS)])
def test_no_measured_ratio_exceeds_the_bound_of_a_transformer(name: str, norm: str) -> None:
    check_transformer(name, norm, 1)


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("seed", range(2, 6))
def test_no_measured_ratio_exceeds_the_bounds_of_many_more_transformers(seed: int, name: str, norm: str) -> None:
    check_transformer(name, norm, seed, pairs=2000, places=60)
