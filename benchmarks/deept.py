"""DeepT's one-layer sentiment classifier, for `--arch benchmarks/deept.py:net`, and how it reads sentences.

The checkpoint holds two state dicts, of the embeddings and of what follows; the names here are those of both.
"""

from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEADS, HIDDEN, WORDS = 64, 4, 128, 7145
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class Centred(nn.Module):
    """LayerNorm without the division by the deviation."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))
        self.bias = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x - x.mean(-1, keepdim=True)) + self.bias


class Output(nn.Module):
    """What ends both halves of a layer: LayerNorm(dense(y) + x)."""

    def __init__(self, fan_in: int) -> None:
        super().__init__()
        self.dense = nn.Linear(fan_in, WIDTH)
        self.LayerNorm = Centred()

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(y) + x)


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        split = (*x.shape[:2], HEADS, WIDTH // HEADS)
        q, k, v = (part(x).reshape(split).transpose(1, 2) for part in (self.query, self.key, self.value))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(), "output": Output(WIDTH)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, HIDDEN)})
        self.output = Output(HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention["output"](self.attention["self"](x), x)
        return self.output(torch.relu(self.intermediate["dense"](x)), x)


class Bert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList([Layer()])})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(WIDTH, WIDTH)})

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.encoder["layer"]:
            x = layer(x)
        return torch.tanh(self.pooler["dense"](x[:, 0]))


class DeepT(nn.Module):
    """(batch, tokens) int64 → (batch, 2). The embeddings of positions and token types are in the file and unused."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(WORDS, WIDTH)
        self.position_embeddings = nn.Embedding(512, WIDTH)
        self.token_type_embeddings = nn.Embedding(2, WIDTH)
        self.linear_in = nn.Linear(WIDTH, WIDTH)
        self.LayerNorm = Centred()
        self.bert = Bert()
        self.classifier = nn.Linear(WIDTH, 2)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.LayerNorm(self.linear_in(self.word_embeddings(ids)))
        return self.classifier(self.bert(x))


def net() -> tuple[nn.Module, Tensor]:
    """With a sentence of ten words, between [CLS] and [SEP]."""
    return DeepT(), torch.tensor([[2, *range(5, 15), 3]])


def read(path: Path) -> list[tuple[int, list[str]]]:
    """(label, words) of each line `label text`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(int(line[0]), line[1:].lower().split()) for line in lines]


def vocabulary(sentences: list[list[str]]) -> list[str]:
    """The authors' rule: words that occur at least twice, in the order of their first occurrence."""
    counts = Counter(word for sentence in sentences for word in sentence)
    return [*SPECIAL, *(word for word, count in counts.items() if count > 1)]


def encode(words: list[str], indices: dict[str, int]) -> Tensor:
    """(1, tokens): [CLS], the words, [SEP]; others are [UNK]."""
    return torch.tensor([[2, *(indices.get(word, 1) for word in words), 3]])
