"""How many examples fit into memory at once, forwards and backwards."""

import torch
from torch import Tensor

from lipcert.attacks.loss import cross_entropy
from lipcert.attacks.target import Target
from lipcert.checkpoint.memory import physical
from lipcert.errors import UnsupportedError

MOST = 128
"""More at once gains nothing on a CPU."""

_SHARE = 0.25
"""Of the machine's memory: an attack keeps copies of the inputs beside what its gradient needs."""


def fitting_batch(target: Target, x: Tensor, y: Tensor, workers: int = 1) -> int:
    """At most 128, by what the gradient of one example saves for its way back.

    x: (n, *shape), y: its labels. workers: so many processes share the memory.
    """
    saved, total = 0, physical()
    if total is None:
        return MOST

    weights = {value.data_ptr() for value in target.weights().values()}

    def count(tensor: Tensor) -> Tensor:
        nonlocal saved
        if tensor.data_ptr() not in weights:  # there once, however many examples
            saved += tensor.numel() * tensor.element_size()
        return tensor

    row = torch.zeros(1, dtype=torch.int64)
    try:
        with target.frozen(), torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            target.select(row).gradient(x[:1], y[:1], cross_entropy)
    except UnsupportedError:  # no gradient: nothing is saved
        return MOST
    return max(1, min(MOST, int(_SHARE * total / max(workers, 1) / max(saved, 1))))
