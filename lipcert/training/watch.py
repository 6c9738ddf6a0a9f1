"""When a run has gone wrong: a loss that is no number or leaps, and the layer where that began."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from lipcert.training.observe import observe

_WINDOW = 100
_PATIENCE = 20
"""Losses that are needed before one counts as a leap."""


class Watch:
    """The last losses of a run. factor: a loss above so many times their median is a leap; 0: none is."""

    def __init__(self, factor: float, losses: Iterable[float] = ()) -> None:
        self.factor = factor
        self.losses: deque[float] = deque(losses, maxlen=_WINDOW)

    def fault(self, loss: float, gradient: float) -> str:
        """What is wrong with this step, before it is taken, in a few words; empty where nothing is."""
        if math.isfinite(loss) and not math.isfinite(gradient):
            return f"the loss is {loss:.4g} and the norm of its gradient {gradient}"
        found = self.judge(loss)
        if not found:
            self.losses.append(loss)
        return found

    def judge(self, loss: float) -> str:
        """What is wrong with a loss, in a few words; it is not remembered."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if self.factor and len(self.losses) >= _PATIENCE and loss > self.factor * median(self.losses):
            usual = median(self.losses)
            return f"the loss leapt to {loss:.4g}, above {self.factor:g} × the median {usual:.4g} of the steps before"
        return ""


def origin(model: nn.Module, x: Tensor, good: Mapping[str, Any] | None) -> str:
    """The layer in which it began, and how that shows.

    A forward pass is looked through for the first output that is not finite, then the gradients; otherwise the layer
    whose largest output grew most since the weights `good` is named, without which nothing is said of growth.
    """
    now = _sizes(model, x)
    for path, size in now.items():
        if not math.isfinite(size):
            return f"layer {path}, whose output is the first that is not finite"
    for name, parameter in reversed(list(model.named_parameters())):
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            return f"layer {name.rpartition('.')[0]}, whose gradient is the first that is not finite"
    if good is None:
        return "no single layer: outputs and gradients are finite"
    with _weights(model, good):
        before = _sizes(model, x)
    path = max(now, key=lambda path: now[path] / max(before[path], 1e-30))
    return f"layer {path}, whose largest output grew most: from {before[path]:.4g} to {now[path]:.4g}"


def _sizes(model: nn.Module, x: Tensor) -> dict[str, float]:
    """The largest entry of what each module returns, in the order of the forward pass."""
    return {each.path or "the network itself": each.largest for each in observe(model, x)}


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Within this there are no gradients; afterwards what the forward pass counts, as batch norm does, is as it was."""
    before = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with torch.no_grad():
            yield
    finally:
        for buffer, value in before:
            buffer.copy_(value)


@contextmanager
def _weights(model: nn.Module, values: Mapping[str, Any]) -> Iterator[None]:
    """Within this, the model has these weights."""
    own = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(dict(values))
    try:
        yield
    finally:
        model.load_state_dict(own)
