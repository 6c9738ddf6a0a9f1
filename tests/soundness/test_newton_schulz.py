"""No singular value of an orthogonalised matrix is above what the constraints rely on.

The maximum of each set is enclosed in ball arithmetic; rounding is attacked with spectra chosen against it.
"""

import heapq

import pytest
import torch
from flint import arb
from torch import Tensor

from lipcert.training.newton_schulz import DTYPES, ROUNDING, SETS, Coefficients, orthogonalise, update_norm
from tests.soundness.spectra import FAMILIES, spectrum

SHAPES = [(48, 48), (48, 160), (160, 48)]


def composed(steps: tuple[Coefficients, ...], x: arb) -> tuple[arb, arb]:
    """The composition and its slope."""
    slope = arb(1)
    for a, b, c in steps:
        square = x * x
        slope *= arb(a) + square * (3 * arb(b) + square * 5 * arb(c))
        x = x * (arb(a) + square * (arb(b) + square * arb(c)))
    return x, slope


def enclosed(steps: tuple[Coefficients, ...], left: float, right: float) -> tuple[float, float]:
    """Above the composition on [left, right], and below its value at the middle. The ends are dyadic, so exact."""
    whole, middle = arb(left).union(arb(right)), arb(left / 2 + right / 2)
    value, slope = composed(steps, whole)
    at_middle, _ = composed(steps, middle)
    mean_value = at_middle + slope * (whole - middle)
    return min(float(value.upper()), float(mean_value.upper())), float(at_middle.lower())


def maximum(steps: tuple[Coefficients, ...]) -> tuple[float, float]:
    """An enclosure of the maximum on [0, 1], of width 1e-7: the interval with the largest upper bound is halved."""
    pieces, best = [(-enclosed(steps, 0.0, 1.0)[0], 0.0, 1.0)], 0.0
    while True:
        upper, left, right = heapq.heappop(pieces)
        if -upper - best < 1e-7:
            return best, -upper
        middle = (left + right) / 2
        for a, b in ((left, middle), (middle, right)):
            above, value = enclosed(steps, a, b)
            best = max(best, value)
            heapq.heappush(pieces, (-above, a, b))


@pytest.mark.parametrize("name", SETS)
def test_the_largest_value_is_that_of_the_composition_rounded_up(name: str) -> None:
    below, above = maximum(SETS[name].steps)
    assert above <= SETS[name].largest < below + 2e-6


@pytest.mark.parametrize("name", SETS)
def test_no_value_is_below_minus_the_largest(name: str) -> None:
    """So |p| <= largest, and the singular values are at most that: the least value is that of the negated set."""
    steps = SETS[name].steps
    a, b, c = steps[-1]
    assert maximum((*steps[:-1], (-a, -b, -c)))[1] <= SETS[name].largest


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_rounding_stays_within_its_margin(name: str, dtype: str, shape: tuple[int, int]) -> None:
    matrices = torch.stack([spectrum(family, *shape) for family in FAMILIES])
    found = orthogonalise(matrices, SETS[name], DTYPES[dtype]).double()
    assert torch.linalg.matrix_norm(found, 2).max() <= SETS[name].largest + ROUNDING[dtype] / 2


def test_a_search_finds_no_spectrum_beyond_the_margin() -> None:
    """Random changes of the worst spectra, the worst kept."""
    draw = torch.Generator().manual_seed(3)
    u, v = (torch.linalg.qr(torch.randn(24, 24, generator=draw))[0] for _ in range(2))
    logs = -9 * torch.rand(64, 24, generator=draw)
    for dtype in DTYPES:
        for name in SETS:
            worst = logs
            for _ in range(30):
                tried = torch.cat([worst, worst + 0.3 * torch.randn(worst.shape, generator=draw)])
                sizes = norms((u * tried.exp()[:, None]) @ v, name, dtype)
                worst = tried[sizes.argsort(descending=True)[:64]]
            assert sizes.max() <= update_norm(name, dtype)


def norms(matrices: Tensor, name: str, dtype: str) -> Tensor:
    wide = torch.cat([matrices, matrices], dim=2)  # takes the way by Gram matrices
    return torch.linalg.matrix_norm(orthogonalise(wide, SETS[name], DTYPES[dtype]).double(), 2)
