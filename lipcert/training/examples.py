"""Labelled examples: images and vectors as they are, text as rows of token ids."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lipcert.data.dataset import Dataset
from lipcert.data.encode import encode
from lipcert.data.read import has_both, read
from lipcert.data.tokens import CHARS, Tokens, of_lines, tokenizer_of
from lipcert.errors import InputError
from lipcert.training.tasks import Batch, Classification, Example, Wanted

Rows = NDArray[np.int64]
Set = tuple[Dataset, Rows]
"""A dataset, and which of its rows count."""


@dataclass(frozen=True)
class Examples(Classification):
    """facts: as a task has them. The inputs of all rows have one shape."""

    train: Set
    held: Set
    facts: dict[str, Any]
    name: str
    sha256: str
    tokens: Tokens

    @property
    def example(self) -> Example:
        data, _ = self.train
        assert data.shape is not None  # as `examples` requires
        return data.shape, "int64" if data.kind == "tokens" else "float32"

    @property
    def range(self) -> tuple[float, float] | None:
        """Of pixels; None where the two sets do not agree on one."""
        return self.train[0].range if self.train[0].range == self.held[0].range else None

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """All examples in one order after the other: each comes once before any comes again."""
        data, rows = self.train
        epochs, places = np.divmod(np.arange(step * size, (step + 1) * size), len(rows))
        chosen = [_order(len(rows), seed, int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
        return _batch(data, rows[np.concatenate(chosen)])

    def validation(self, size: int, limit: int | None) -> Iterator[Batch]:
        """The examples that are held out, in order."""
        data, rows = self.held
        parts = (rows[first : first + size] for first in range(0, len(rows), size))
        return (_batch(data, part) for part in islice(parts, limit))


def examples(recipe: Wanted) -> Examples:
    """From data that are read as `lipcert attack` reads them.

    Held out are: the data that the recipe names for that; else the test set that lies beside the training set; else
    the last share of the examples, shuffled by the seed.
    Raises InputError where they cannot be read, are too few, or do not suit the model or one another.
    """
    train = read(recipe.data, split="train")
    own = recipe.validation or (recipe.data if has_both(recipe.data) else "")
    held = read(own) if own else train
    sha256 = hashlib.sha256(f"{train.sha256}\n{held.sha256}\n".encode("ascii")).hexdigest() if own else train.sha256
    tokens: Tokens = {}
    if train.kind == held.kind == "text":
        train, held, tokens = _tokenized(train, held, recipe)
    facts = _facts(train, held, tokens, recipe)
    rows, held_rows = (np.arange(len(train)), np.arange(len(held))) if own else _split(len(train), recipe)
    return Examples((train, rows), (held, held_rows), facts, recipe.data, sha256, tokens)


def _tokenized(train: Dataset, held: Dataset, recipe: Wanted) -> tuple[Dataset, Dataset, Tokens]:
    """Text as rows of ids, padded to the context. Words are those that are trained on, characters all that occur."""
    context = recipe.arguments.get("context")
    if context is None:
        raise InputError(
            f"{train.name} holds text, and a model {recipe.model!r} takes numbers", hint='Write model = "encoder".'
        )
    sets = (train, held) if recipe.tokens == CHARS else (train,)
    tokens = of_lines(recipe.tokens, [str(data.inputs[row]) for data in sets for row in range(len(data))])
    by = tokenizer_of(tokens)
    first = encode(train, by, context)
    return first, first if held is train else encode(held, by, context), tokens


def _facts(train: Dataset, held: Dataset, tokens: Tokens, recipe: Wanted) -> dict[str, Any]:
    """What the examples say of the model. Raises InputError where the two sets do not go together."""
    if (train.kind, train.shape) != (held.kind, held.shape) or train.shape is None:
        raise InputError(
            f"{train.name} holds {train.kind} of shape {train.shape}, {held.name} {held.kind} of shape {held.shape}",
            hint="Bring all examples to one kind and one shape.",
        )
    classes = train.classes or int(train.labels.max()) + 1
    if int(held.labels.max()) >= classes:
        raise InputError(
            f"{held.name} has a label {held.labels.max()}, and {train.name} has classes 0 to {classes - 1}",
            hint="Train on examples of every class.",
        )
    if train.kind != "tokens":
        return {"classes": classes, "shape": train.shape}
    _require_context(train, recipe.arguments.get("context"))
    largest = max(int(np.max(train.inputs)), int(np.max(held.inputs)))
    return {"vocabulary": tokenizer_of(tokens).size if tokens else largest + 1, "classes": classes}


def _require_context(data: Dataset, context: int | None) -> None:
    if context is not None and data.shape is not None and data.shape[0] > context:
        raise InputError(
            f"{data.name} has rows of {data.shape[0]} tokens, and the context is {context}",
            hint=f"Write context = {data.shape[0]}.",
        )


def _split(count: int, recipe: Wanted) -> tuple[Rows, Rows]:
    """The rows that are trained on and those that are held out, each in the order of the data."""
    held = max(1, round(recipe.validation_share * count))
    if held >= count:
        raise InputError(
            f"of the {count} examples of {recipe.data}, {held} are held out, and none is left",
            hint="Take more data, or a smaller validation_share.",
        )
    order = np.random.default_rng(recipe.seed).permutation(count)
    return np.sort(order[:-held]), np.sort(order[-held:])


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> Rows:
    order: Rows = np.random.default_rng([seed, epoch]).permutation(count)
    return order


def _batch(data: Dataset, rows: Rows) -> Batch:
    inputs: Any = data.inputs
    x = torch.from_numpy(np.ascontiguousarray(inputs[rows]))
    y = torch.from_numpy(data.labels[rows])
    return Batch(x if x.dtype == torch.int64 else x.float(), y)
