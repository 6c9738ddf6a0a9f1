"""L² next to the truth, and factors that are not what they should be: nothing false is proved."""

import math
from collections.abc import Iterator
from fractions import Fraction

import pytest
import torch
from flint import arb
from torch import Tensor

from lipcert.bounds.multipliers import front
from lipcert.norms import ball
from lipcert.rules.regions import multipliers as multipliers_module
from lipcert.rules.regions.form import Blocks, factor
from lipcert.rules.regions.multipliers import Multipliers, prove_multipliers
from tests.soundness.networks import Network, random_weight
from tests.soundness.region_bounds import measured, sharp_networks, work_of


def test_a_witness_for_the_truth_less_a_rounding_is_refused() -> None:
    # y = relu(x): T = 2 and L = 1 make the form singular, and no L below 1 makes it positive.
    network = Network(4)
    work = work_of(network.graph(network.linear(network.function("x", "relu"), torch.eye(4, dtype=torch.float64))))
    values = (torch.full((4,), 2.0, dtype=torch.float64),)
    for bits in range(1, 52):
        for power in range(1, 19):
            square = 1 - 2.0**-bits
            assert prove_multipliers(work, Multipliers(values, square, 10.0**-power)) is None
    assert prove_multipliers(work, Multipliers(values, 1 + 1e-9, 1e-12)) is not None


def largest_stretch(matrix: Tensor) -> arb:
    """|Mv|²/|v|² in ball arithmetic, v the float singular vector: below σ_max² by 1e-30 of it or so."""
    v = torch.linalg.svd(matrix)[2][0].tolist()
    rows = [sum((arb(a) * arb(b) for a, b in zip(row, v, strict=True)), arb(0)) for row in matrix.tolist()]
    return sum((y**2 for y in rows), arb(0)) / sum((arb(x) ** 2 for x in v), arb(0))


def close_to(square: float) -> Iterator[tuple[float, float]]:
    """(L², cushion) with L² from a little below the truth to a little above it."""
    for bits in (-53, -52, -51, -49, -46, -40, -30):
        for cushion in (1e-18, 1e-16, 1e-15, 1e-13, 1e-10):
            yield square * (1 - 2.0**bits), cushion
            yield square * (1 + 2.0**bits), cushion


@pytest.mark.parametrize("seed", range(2))
def test_no_matrix_is_proved_smaller_than_a_rigorous_lower_bound(seed: int) -> None:
    network, generator = Network(12), torch.Generator().manual_seed(seed)
    matrix = random_weight(10, 12, generator)
    matrix = matrix if seed else torch.linalg.qr(matrix.T)[0].T  # all singular values nearly the same
    work, truth = work_of(network.graph(network.linear("x", matrix))), largest_stretch(matrix)
    for square, cushion in close_to(float(truth)):
        proved = prove_multipliers(work, Multipliers((), square, cushion))
        assert proved is None or not ball.upper(proved) ** 2 < truth


@pytest.mark.parametrize("seed", range(2))
def test_no_diagonal_network_is_proved_flatter_than_it_is(seed: int) -> None:
    # y = D₂ relu(D₁ x) has L = max d₁d₂, which T = 2/d₁² attains.
    generator, network = torch.Generator().manual_seed(seed), Network(9)
    first = 0.5 + torch.rand(9, generator=generator, dtype=torch.float64)
    second = 1 / first
    bent = network.function(network.linear("x", torch.diag(first)), "relu")
    work = work_of(network.graph(network.linear(bent, torch.diag(second))))
    truth = max(Fraction(a) * Fraction(b) for a, b in zip(first.tolist(), second.tolist(), strict=True))
    for square, cushion in close_to(float(truth**2)):
        proved = prove_multipliers(work, Multipliers((2 / first**2,), square, cushion))
        assert proved is None or not ball.upper(proved) < ball.rational(truth.numerator, truth.denominator)


def wrong_factor(kind: str, blocks: Blocks, count: int) -> Blocks:
    """A factor of another form, or of none."""
    if kind == "of half the sides":  # right on the diagonal, wrong beside it
        return factor({p: b if p[0] == p[1] else b / 2 for p, b in blocks.items()}, count) or {}
    right = factor({**blocks, (count - 1, count - 1): 9 * blocks[count - 1, count - 1]}, count)
    assert right is not None
    if kind == "of another L":
        return right
    if kind == "without sides":
        return {place: block for place, block in right.items() if place[0] == place[1]}
    if kind == "shifted":
        return {place: block + 1e-6 for place, block in right.items()}
    return {place: block * {"zero": 0.0, "NaN": math.nan, "double": 2.0}[kind] for place, block in right.items()}


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize(
    "kind", ["of half the sides", "of another L", "without sides", "shifted", "zero", "NaN", "double"]
)
def test_a_wrong_factor_proves_nothing_false(which: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = sharp_networks()[which]
    work, lower = work_of(graph), measured(graph, "l2", starts=60, rounds=1, steps=8)
    values = front(work)
    assert values is not None
    monkeypatch.setattr(multipliers_module, "factor", lambda blocks, count: wrong_factor(kind, blocks, count))
    for share in (0.9, 0.999):
        for cushion in (1e-12, 1e-9, 1e-4):
            assert prove_multipliers(work, Multipliers(tuple(values), share * lower**2, cushion)) is None
