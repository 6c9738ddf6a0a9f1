"""The Lipschitz bound as arXiv 2507.13338 accounts for it: measured, not proved, to be compared with published figures.

Its norms are estimates that converge from below, and several of its steps do not hold as upper bounds:

- Heads are joined as if one softmax row mixed all of them. H heads can each pick another token, which in a largest
  norm over tokens costs up to √H on the value path.
- Queries and keys are bounded in RMS over the whole width, and their product is divided by d_head only: the softmax
  path misses the factor width/d_head, the number of heads.
- The attention scale multiplies the value path as well, which does not depend on it: too small where it is below 1.
- The MLP's gain is divided by GELU's largest slope, though its GELU is divided by it already; and 1.1289 lies below
  that slope, 1.12890414….
- Activations are taken to start at RMS 1, also where rows of the embedding are larger.
- The scale of the logits is left out, and the unembedding counts to the RMS of all logits: one alone can move
  √vocabulary times as far.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from flint import arb
from torch import nn

from lipcert.architectures.arguments import GPTArguments
from lipcert.architectures.blocks import Block
from lipcert.architectures.transformer import GPT
from lipcert.norms import ball
from lipcert.norms.estimate import lanczos

_GELU_SLOPE = arb("1.1289")
"""As the paper has it."""

_PROJECTIONS = ("query", "key", "value", "output")

_FORM = ("residual", "norm", "qk_norm", "bias", "positions", "attention_divisor", "activation")


@dataclass(frozen=True)
class PaperAccounting:
    """The paper's figure, an estimate that proves nothing.

    bound: RMS→RMS, largest over tokens, from the one-hot ids to the logits before their scale. A ball, because it may
    exceed every float; its radius is rounding and says nothing of the truth.
    """

    bound: arb

    @property
    def log10(self) -> float:
        return ball.log10(self.bound)


def paper_accounting(model: nn.Module, known: Mapping[str, float] = MappingProxyType({})) -> PaperAccounting | None:
    """What the paper would report for `model`; None where it is no untied GPT in the paper's form.

    known: estimates of the l2 norms of weights by the paths of their layers; the others are estimated here.
    """
    if not isinstance(model, GPT) or model.unembedding is None or not _of_the_paper(model.arguments):
        return None
    norms = _Norms(known)
    share = arb(1) / (2 * len(model.blocks))
    size, bound = arb(1), _largest_row(model.embedding)
    for number, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        attention, mlp = block.attention, block.mlp
        query, key, value, output = (
            norms(f"blocks.{number}.attention.{name}", getattr(attention, name)) for name in _PROJECTIONS
        )
        output *= attention.factor
        gain = output * value * (1 + 2 * size**2 * query * key)
        inner, outer = (norms(f"blocks.{number}.mlp.{name}", getattr(mlp, name)) for name in ("input", "output"))
        mlp_gain = inner * outer / _GELU_SLOPE
        bound *= (1 - share) + share * gain * model.arguments.attention_scale
        bound *= (1 - share) + share * mlp_gain
        size *= (1 - share) + share * output * value
        size *= (1 - share) + share * mlp_gain
    return PaperAccounting(bound * norms("unembedding", model.unembedding))


def _of_the_paper(arguments: GPTArguments) -> bool:
    fields = GPTArguments.model_fields
    return all(getattr(arguments, name) == fields[name].default for name in _FORM)


@dataclass(frozen=True)
class _Norms:
    """The norms of layers as σ·√(d_in/d_out), σ estimated."""

    known: Mapping[str, float]

    def __call__(self, path: str, layer: nn.Linear) -> arb:
        estimate = self.known.get(path)
        if estimate is None:
            weight = layer.weight.detach().cpu().double().numpy()
            estimate = lanczos(weight, np.random.default_rng(0)).value
        return arb(estimate) * math.sqrt(layer.in_features / layer.out_features)


def _largest_row(embedding: nn.Embedding) -> arb:
    rows = embedding.weight.detach().cpu().double().square().mean(1)
    return arb(float(rows.max().sqrt()))
