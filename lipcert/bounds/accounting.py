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
from dataclasses import dataclass

import numpy as np
from flint import arb
from torch import nn

from lipcert.architectures.blocks import Block
from lipcert.architectures.transformer import GPT, GPTArguments
from lipcert.norms import ball
from lipcert.norms.estimate import lanczos

_GELU_SLOPE = arb("1.1289")
"""As the paper has it."""

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


def paper_accounting(model: nn.Module) -> PaperAccounting | None:
    """What the paper would report for `model`; None where it is no untied GPT in the paper's form."""
    if not isinstance(model, GPT) or model.unembedding is None or not _of_the_paper(model.arguments):
        return None
    share = arb(1) / (2 * len(model.blocks))
    size, bound = arb(1), _largest_row(model.embedding)
    for block in model.blocks:
        assert isinstance(block, Block)
        attention, mlp = block.attention, block.mlp
        value, output = _rms_norm(attention.value), _rms_norm(attention.output) * attention.factor
        gain = output * value * (1 + 2 * size**2 * _rms_norm(attention.query) * _rms_norm(attention.key))
        mlp_gain = _rms_norm(mlp.input) * _rms_norm(mlp.output) / _GELU_SLOPE
        bound *= (1 - share) + share * gain * model.arguments.attention_scale
        bound *= (1 - share) + share * mlp_gain
        size *= (1 - share) + share * output * value
        size *= (1 - share) + share * mlp_gain
    return PaperAccounting(bound * _rms_norm(model.unembedding))


def _of_the_paper(arguments: GPTArguments) -> bool:
    fields = GPTArguments.model_fields
    return all(getattr(arguments, name) == fields[name].default for name in _FORM)


def _rms_norm(layer: nn.Linear) -> arb:
    """σ·√(d_in/d_out), σ estimated."""
    weight = layer.weight.detach().cpu().double().numpy()
    estimate = lanczos(weight, np.random.default_rng(0))
    return arb(estimate.value) * math.sqrt(layer.in_features / layer.out_features)


def _largest_row(embedding: nn.Embedding) -> arb:
    rows = embedding.weight.detach().cpu().double().square().mean(1)
    return arb(float(rows.max().sqrt()))
