"""What a model is trained on: batches that depend on step and seed alone, and how right its answers are."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Tensor

from lipcert.data.tokens import Tokens

Example = tuple[tuple[int, ...], Literal["float32", "int64"]]


class Batch(NamedTuple):
    """x: (n, context) int64 ids or (n, …) float32. y: int64 classes, (n, context) where every token is continued."""

    x: Tensor
    y: Tensor


@runtime_checkable
class Wanted(Protocol):
    """What a recipe says of its data. arguments: of the architecture, as far as the recipe gives them."""

    @property
    def data(self) -> str: ...
    @property
    def tokens(self) -> str: ...
    @property
    def validation(self) -> str: ...
    @property
    def validation_share(self) -> float: ...
    @property
    def model(self) -> str: ...
    @property
    def arguments(self) -> Mapping[str, Any]: ...
    @property
    def seed(self) -> int: ...


@runtime_checkable
class Task(Protocol):
    """facts: what the data say of the model, such as {"vocabulary": 65}. example: shape and type of one input.

    range: the least and the largest entry that an input can have, where the data say so.
    name, sha256, tokens: of the data, and how text became ids; {} where there is no text.
    """

    @property
    def facts(self) -> Mapping[str, Any]: ...
    @property
    def example(self) -> Example: ...
    @property
    def range(self) -> tuple[float, float] | None: ...
    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def tokens(self) -> Tokens: ...

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """The examples of a step, from 0: the same arguments give the same, in whatever order they are asked for."""
        ...

    def validation(self, size: int, limit: int | None) -> Iterator[Batch]:
        """What is held out, in order, `size` examples at a time, the last batch perhaps fewer; `limit` batches."""
        ...

    def loss(self, logits: Tensor, y: Tensor) -> Tensor: ...
    def right(self, logits: Tensor, y: Tensor) -> tuple[int, int]: ...


class Classification:
    """Logits (…, classes) against y (…)."""

    @property
    def range(self) -> tuple[float, float] | None:
        return None

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """The mean cross-entropy, over all tokens where each has a label."""
        return F.cross_entropy(logits.flatten(0, -2), y.flatten())

    def right(self, logits: Tensor, y: Tensor) -> tuple[int, int]:
        """How many labels have the largest logit, and how many labels there are."""
        return int((logits.argmax(-1) == y).sum()), y.numel()
