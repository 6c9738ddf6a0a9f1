"""Text to be continued, a token at every position."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lipcert.data.characters import Ids
from lipcert.data.stream import Stream, held_out, require_longer, stream, streams
from lipcert.data.tokens import Tokens
from lipcert.training.tasks import Batch, Classification, Example, Wanted


@dataclass(frozen=True)
class Language(Classification):
    """train, held: (n,) token ids, each longer than the context."""

    train: Ids
    held: Ids
    context: int
    vocabulary: int
    name: str
    sha256: str
    tokens: Tokens

    @property
    def facts(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary}

    @property
    def example(self) -> Example:
        return (self.context,), "int64"

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """Windows that begin anywhere."""
        starts = _generator(step, seed).integers(0, len(self.train) - self.context, size)
        return _windows(self.train, starts, self.context)

    def validation(self, size: int, limit: int | None) -> Iterator[Batch]:
        """Windows one after the other; what is left of the text at its end is left out."""
        starts = np.arange(0, len(self.held) - self.context, self.context)
        parts = (starts[first : first + size] for first in range(0, len(starts), size))
        return (_windows(self.held, part, self.context) for part in islice(parts, limit))


def language(recipe: Wanted) -> Language:
    """From a text, and what is held out of it or another one.

    Raises InputError where they cannot be read, or are too short for the context.
    """
    train, held, whole, sha256 = _parts(recipe)
    context = int(recipe.arguments["context"])
    name = recipe.validation or f"{recipe.validation_share:g} of {recipe.data}"
    require_longer(train, context, f"what is trained on, {recipe.data},")
    require_longer(held, context, f"what is held out, {name},")
    return Language(train, held, context, whole.vocabulary, recipe.data, sha256, whole.tokens)


def _parts(recipe: Wanted) -> tuple[Ids, Ids, Stream, str]:
    """What is trained on, what is held out, where the first comes from, and the hash of both."""
    if not recipe.validation:
        whole = stream(recipe.data, recipe.tokens)
        return *held_out(whole.ids, recipe.validation_share), whole, whole.sha256
    whole, other = streams([recipe.data, recipe.validation], recipe.tokens)
    sha256 = hashlib.sha256(f"{whole.sha256}\n{other.sha256}\n".encode("ascii")).hexdigest()
    return whole.ids, other.ids, whole, sha256


def _generator(step: int, seed: int) -> np.random.Generator:
    """Numbers of their own for every step: the low word of the counter, which runs, is left to them."""
    return np.random.Generator(np.random.Philox(key=seed, counter=step << 64))


def _windows(ids: Ids, starts: NDArray[np.int64], context: int) -> Batch:
    both = torch.from_numpy(ids[starts[:, None] + np.arange(context + 1)].astype(np.int64))
    return Batch(both[:, :-1].contiguous(), both[:, 1:].contiguous())
