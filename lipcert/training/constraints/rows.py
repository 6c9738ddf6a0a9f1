"""The cap of an embedding: the root mean square of every row."""

import torch
from jaxtyping import Float
from torch import Tensor

_AIM = 1 - 2.0**-21
"""Room for two roundings of float32, the factor's and the product's."""


def cap_rows(embedding: Float[Tensor, "n d"], cap: float) -> Float[Tensor, "n d"]:
    """Each row scaled so that its root mean square is at most `cap`; rows under it are unchanged, bit by bit.

    Also after rounding, but for underflow: an entry fl(x·fl(c)) is at most |xc|(1 + 2^-24)².
    """
    readable = embedding.cpu() if embedding.device.type == "mps" else embedding  # MPS has no float64
    lengths = torch.linalg.vector_norm(readable, dim=1, keepdim=True, dtype=torch.float64)
    aim = cap * _AIM * embedding.shape[1] ** 0.5
    return embedding * torch.where(lengths > aim, aim / lengths, 1.0).to(embedding)
