"""Random numbers that belong to an example, whatever else is in its batch."""

import math
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Draws:
    """A stream of numbers for each row of a batch: SplitMix64 (Steele, Lea, Flood 2014) from keys of the rows.

    keys: (batch,) uint64. used: how many numbers each row has had; rows of a batch advance together.
    """

    keys: NDArray[np.uint64]
    used: int = field(default=0)

    @classmethod
    def of(cls, seed: int, purpose: str, examples: Tensor) -> "Draws":
        """The streams of the examples with these numbers, (batch,) int64, for one purpose such as an attack's name."""
        start = np.uint64(int.from_bytes(sha256(f"{seed}:{purpose}".encode()).digest()[:8], "little"))
        return cls(_mix(start ^ _mix(examples.cpu().numpy().astype(np.uint64) * _GOLDEN)))

    def select(self, rows: Tensor) -> "Draws":
        """The streams of some rows, from where they are."""
        return Draws(self.keys[rows.cpu().numpy()], self.used)

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """(batch, *shape) float64 in [0, 1)."""
        count = math.prod(shape)
        steps = np.arange(self.used + 1, self.used + 1 + count, dtype=np.uint64) * _GOLDEN
        self.used += count
        bits = _mix(self.keys[:, None] + steps) >> np.uint64(11)
        return torch.from_numpy(bits.astype(np.float64) * 2.0**-53).reshape(len(self.keys), *shape)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """(batch, *shape) float64, standard normal (Box and Muller 1958)."""
        length = (-2 * torch.log1p(-self.uniform(shape))).sqrt()
        return length * torch.cos(2 * math.pi * self.uniform(shape))

    def below(self, end: int, shape: tuple[int, ...]) -> Tensor:
        """(batch, *shape) int64 in [0, end)."""
        return (self.uniform(shape) * end).long()

    def signs(self, shape: tuple[int, ...]) -> Tensor:
        """(batch, *shape) float64, -1 or 1."""
        return 2.0 * (self.uniform(shape) < 0.5) - 1.0

    def seed(self) -> int:
        """For generators of others, which know no examples: a seed from the first row."""
        return int(self.keys[0] >> np.uint64(33)) if len(self.keys) else 0


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
