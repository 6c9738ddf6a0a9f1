"""A decoder-only GPT and an encoder that classifies text, of the same blocks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipcert.architectures.arguments import BlockArguments, EncoderArguments, GPTArguments
from lipcert.architectures.blocks import MLP, Attention, Block, Rotary, norm

GPT2: dict[str, object] = {
    "residual": "plain",
    "norm": "layer",
    "bias": True,
    "positions": "learned",
    "attention_divisor": "sqrt(d_head)",
    "attention_output": 1.0,
    "activation": "gelu_tanh",
    "tied": True,
}
"""Arguments of `gpt` that give GPT-2's form, the usual baseline; without any, it has that of arXiv 2507.13338."""


class Transformer(nn.Module):
    """Embedding, positions and blocks: what decoder and encoder have in common."""

    def __init__(self, arguments: BlockArguments, *, causal: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(arguments.vocabulary, arguments.width)
        learned = arguments.positions == "learned"
        self.positions = nn.Embedding(arguments.context, arguments.width) if learned else None
        turned = arguments.positions == "rotary"
        self.rotary = Rotary(arguments.context, arguments.d_head) if turned else nn.Identity()
        self.blocks = nn.ModuleList(Block(arguments, causal=causal) for _ in range(arguments.layers))
        self.norm = nn.Identity() if arguments.post_norm else norm(arguments)
        self.context = arguments.context

    def stream(self, ids: Tensor) -> Tensor:
        """The residual stream after the last norm: (batch, tokens) int64 → (batch, tokens, width)."""
        if ids.shape[1] > self.context:
            raise ValueError(f"{ids.shape[1]} tokens are more than the context of {self.context}")
        x: Tensor = self.embedding(ids)
        if self.positions is not None:
            x = x + self.positions.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, self.rotary)
        y: Tensor = self.norm(x)
        return y


class GPT(Transformer):
    """(batch, tokens) int64 → logits (batch, tokens, vocabulary)."""

    def __init__(self, arguments: GPTArguments) -> None:
        super().__init__(arguments, causal=True)
        self.arguments = arguments
        width, vocabulary = arguments.width, arguments.vocabulary
        self.unembedding = None if arguments.tied else nn.Linear(width, vocabulary, bias=False)
        initialise(self, self.unembedding, zero=arguments.zero_init)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.stream(ids)
        read = F.linear(x, self.embedding.weight) if self.unembedding is None else self.unembedding(x)
        logits: Tensor = self.arguments.logit_scale * read
        cap = self.arguments.logit_cap
        return logits if cap is None else cap * torch.tanh(logits / cap)


class Encoder(Transformer):
    """(batch, tokens) int64 → (batch, classes)."""

    def __init__(self, arguments: EncoderArguments) -> None:
        super().__init__(arguments, causal=False)
        self.classifier = nn.Linear(arguments.width, arguments.classes, arguments.bias)
        self.pooling = arguments.pooling
        initialise(self, self.classifier, zero=arguments.zero_init)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.stream(ids)
        classes: Tensor = self.classifier(x.mean(1) if self.pooling == "mean" else x[:, 0])
        return classes


def initialise(model: Transformer, last: nn.Linear | None, *, zero: bool) -> None:
    """Linear layers: orthogonal, with RMS→RMS norm 1, biases 0. Rows of the embedding: of RMS 1.

    last: what reads the residual stream at the end; None where the embedding does, which then starts as a linear
    layer. zero: what writes into the residual stream, and `last`, start at 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            _orthogonal(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if last is None:
        _orthogonal(model.embedding.weight)
    else:
        _unit_rows(model.embedding.weight)
    if model.positions is not None:
        nn.init.normal_(model.positions.weight, std=0.02)
    if zero:
        _zero_outputs(model, last)


def _zero_outputs(model: Transformer, last: nn.Linear | None) -> None:
    outputs = [layer.output for layer in model.modules() if isinstance(layer, Attention | MLP)]
    for layer in outputs if last is None else [*outputs, last]:
        nn.init.zeros_(layer.weight)


def _orthogonal(weight: Tensor) -> None:
    outputs, inputs = weight.shape
    nn.init.orthogonal_(weight, gain=(outputs / inputs) ** 0.5)


def _unit_rows(weight: Tensor) -> None:
    with torch.no_grad():
        weight.copy_(F.normalize(torch.randn_like(weight), dim=1) * weight.shape[1] ** 0.5)
