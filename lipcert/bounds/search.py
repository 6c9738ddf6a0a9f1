"""The prover that searches: finds a witness for every norm asked of it, and keeps it."""

from collections.abc import Callable
from typing import Any

import torch
from flint import arb
from torch import Tensor

from lipcert.bounds.balance import balance
from lipcert.bounds.multipliers import search_multipliers
from lipcert.certificate.document import describe_multipliers
from lipcert.norms.conv import Conv
from lipcert.norms.dense import Matrix
from lipcert.norms.estimate import Estimate
from lipcert.norms.search import ProvedNorm, conv_norm, spectral_norm
from lipcert.rules.regions.increments import Increments


class SearchProver:
    """Each key is proved once a run. witnesses: what a certificate stores, as JSON values. estimates: of the norms
    that a search by Lanczos iteration guessed on its way.

    seconds: how long to look for the multipliers of all regions together.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._regions = seconds, 1
        self._proved: dict[str, arb | None] = {}
        self.witnesses: dict[str, Any] = {}
        self.estimates: dict[str, Estimate] = {}

    def share(self, regions: int) -> None:
        """Among how many regions the seconds are shared."""
        self._regions = max(regions, 1)

    def spectral(self, key: str, matrix: Matrix) -> arb:
        return self._norm(key, lambda: spectral_norm(matrix))

    def conv(self, key: str, conv: Conv) -> arb:
        return self._norm(key, lambda: conv_norm(conv))

    def multipliers(self, key: str, work: Increments) -> arb | None:
        if key not in self._proved:
            found = search_multipliers(work, self._seconds / self._regions)
            self._proved[key] = None if found is None else found[1]
            if found is not None:
                self.witnesses[key] = describe_multipliers(found[0])
        return self._proved[key]

    def scaling(self, key: str, left: Tensor, right: Tensor) -> Tensor:
        if key not in self.witnesses:
            self.witnesses[key] = {"values": [balance(left, right).tolist()]}
        return torch.tensor(self.witnesses[key]["values"][0], dtype=torch.float64)

    def _norm(self, key: str, prove: Callable[[], ProvedNorm]) -> arb:
        if key not in self._proved:
            found = prove()
            self._proved[key] = found.upper
            self.witnesses[key] = dict(found.witness)
            if found.estimate is not None:
                self.estimates[key] = found.estimate
        bound = self._proved[key]
        assert bound is not None  # a norm always has a proof; only multipliers may be missing
        return bound
