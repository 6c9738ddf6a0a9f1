"""Losses that attacks increase, one number an example, and when an example is fooled.

Logits are (batch, classes), with labels (batch,); or (batch, T, classes), with labels (batch, T), of a network that
answers at every position. Then an example is fooled as soon as one position is, and the loss is that of the position
nearest to it; positions with the label IGNORED do not count.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lipcert.errors import UnsupportedError

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits, labels) → (batch,)."""

IGNORED = -100
"""The label of a position that does not count, as in torch's cross entropy."""


def fooled(logits: Tensor, y: Tensor) -> Tensor:
    """(batch,) bool: another class than the label has the largest logit, at one position at least."""
    wrong = (logits.argmax(-1) != y) & (y != IGNORED)
    return wrong if wrong.dim() == 1 else wrong.any(1)


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """(batch,): the label's logit less the largest other one, the smallest of all positions; negative where fooled."""
    label, other = _label_and_other(logits, y)
    return -_worst(other - label, y)


def negative_margin(logits: Tensor, y: Tensor) -> Tensor:
    return -margin(logits, y)


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    classes = logits.shape[-1]
    each = F.cross_entropy(logits.reshape(-1, classes), y.reshape(-1), reduction="none", ignore_index=IGNORED)
    return _worst(each.reshape(y.shape), y)


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """(other - label)/(largest - third largest): the difference of logits ratio, Croce and Hein 2020, eq. (6).

    Raises UnsupportedError where there are fewer than 3 classes.
    """
    _require_classes(logits, 3, "DLR")
    label, other = _label_and_other(logits, y)
    top = logits.topk(3, dim=-1).values
    return _worst((other - label) / (top[..., 0] - top[..., 2] + 1e-12), y)


def targeted_dlr(goal: Tensor) -> Loss:
    """(goal - label)/(largest - mean of third and fourth): Croce and Hein 2020, eq. (7); goal: (batch,) classes.

    The loss raises UnsupportedError where there are fewer than 4 classes.
    """

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        _require_classes(logits, 4, "targeted DLR")
        top = logits.topk(4, dim=-1).values
        scale = top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + 1e-12
        at = logits.gather(1, torch.stack([goal, y], 1))
        return (at[:, 0] - at[:, 1]) / scale

    return loss


def _label_and_other(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    index = y.clamp_min(0)[..., None]
    other = logits.scatter(-1, index, -math.inf).amax(-1)
    return logits.gather(-1, index)[..., 0], other


def _require_classes(logits: Tensor, least: int, name: str) -> None:
    if logits.shape[-1] < least:
        raise UnsupportedError(
            f"the {name} loss compares {least} logits; the network has {logits.shape[-1]} classes.",
            hint="Use apgd-ce: with few classes the cross entropy finds the same points.",
        )


def _worst(each: Tensor, y: Tensor) -> Tensor:
    """The largest of an example's positions; of one position, itself."""
    return each if each.dim() == 1 else each.masked_fill(y == IGNORED, -math.inf).amax(1)
