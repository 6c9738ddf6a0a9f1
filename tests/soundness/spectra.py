"""Matrices with singular values that are hard on iterations in floating point."""

from collections.abc import Callable

import torch
from torch import Tensor


def _spectral(values: Callable[[int], Tensor]) -> Callable[[int, int], Tensor]:
    def of(m: int, n: int) -> Tensor:
        draw, rank = torch.Generator().manual_seed(m * n), min(m, n)
        u = torch.linalg.qr(torch.randn(m, m, generator=draw))[0][:, :rank]
        v = torch.linalg.qr(torch.randn(n, n, generator=draw))[0][:, :rank]
        return (u * values(rank)) @ v.T

    return of


def _spike(rest: float) -> Callable[[int, int], Tensor]:
    """One singular value 1, the others equal."""
    return _spectral(lambda rank: torch.cat([torch.ones(1), torch.full((rank - 1,), rest)]))


def _decades(decades: float) -> Callable[[int, int], Tensor]:
    return _spectral(lambda rank: torch.logspace(0, -decades, rank))


def _normal(m: int, n: int, *, seed: int = 0) -> Tensor:
    return torch.randn(m, n, generator=torch.Generator().manual_seed(seed))


def _of_rank(rank: int, noise: float = 0.0) -> Callable[[int, int], Tensor]:
    def of(m: int, n: int) -> Tensor:
        exact = _normal(m, rank, seed=1) @ _normal(rank, n, seed=2)
        return exact / exact.norm() + noise * _normal(m, n, seed=3) / max(m, n) ** 0.5

    return of


def _one_entry(m: int, n: int) -> Tensor:
    matrix = torch.zeros(m, n)
    matrix[m // 2, n // 2] = 1
    return matrix


FAMILIES: dict[str, Callable[[int, int], Tensor]] = {
    "normal": _normal,
    "heavy tails": lambda m, n: _normal(m, n) ** 7,
    "sparse": lambda m, n: _normal(m, n) * (_normal(m, n, seed=4) > 2),
    "equal entries": lambda m, n: torch.ones(m, n),
    "one entry": _one_entry,
    "identity": lambda m, n: torch.eye(m, n),
    "rank 1": _of_rank(1),
    "rank 4": _of_rank(4),
    "half small": _spectral(lambda r: torch.cat([torch.ones(r // 2), torch.full((r - r // 2,), 1e-4)])),
    **{f"{decades} decades": _decades(decades) for decades in (2, 3, 6, 12)},
    **{f"spike over {rest:g}": _spike(rest) for rest in (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-6)},
    **{f"rank 1 and noise {noise:g}": _of_rank(1, noise) for noise in (1e-2, 3e-3, 1e-3, 1e-4, 1e-6)},
}


def spectrum(family: str, m: int, n: int) -> Tensor:
    return FAMILIES[family](m, n)
