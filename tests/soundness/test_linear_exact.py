"""The linear parts of rules against exact arithmetic: matrices, enclosures, and the rounding in forming maps."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from lipcert.norms import ball
from lipcert.rules.regions.increments import increments
from lipcert.rules.regions.region import region_between
from lipcert.rules.regions.remainder import prove_remainder
from lipcert.rules.table import RULES
from lipcert.rules.types import Node
from tests.soundness.networks import Network
from tests.soundness.rule_cases.drawn import Case
from tests.soundness.rule_cases.table import CASES

LINEAR = sorted(op for op, rule in RULES.items() if rule.linear is not None)
EXACT = sorted({*LINEAR} - {"window_sum", "centre"})
"""Those whose matrix entries are stored numbers; a window sum and a mean divide."""
QUICK = settings(max_examples=15, suppress_health_check=list(HealthCheck))

Matrix = list[list[Fraction]]


def matrix(case: Case, absolute: bool) -> Tensor:
    """The operation on its inputs one behind the other: outputs × entries."""
    linear = RULES[case.node.op].linear
    assert linear is not None
    shapes = [case.reaches[name].lo.shape for name in case.node.inputs]
    blocks = []
    for place, shape in enumerate(shapes):
        count = math.prod(shape)
        columns = [torch.zeros(count, *other, dtype=torch.float64) for other in shapes]
        columns[place] = torch.eye(count, dtype=torch.float64).reshape(count, *shape)
        blocks.append(linear.apply(case.node, columns, absolute).reshape(count, -1).T)
    return torch.cat(blocks, 1)


@pytest.mark.parametrize("op", LINEAR)
@QUICK
@given(data=st.data())
def test_the_absolute_operation_has_absolute_entries_and_its_norm_and_terms_are_bounded(
    op: str, data: st.DataObject
) -> None:
    case = CASES[op](data.draw)
    linear = RULES[op].linear
    assert linear is not None
    signed, absolute = matrix(case, False), matrix(case, True)
    if len(set(case.node.inputs)) == 1:  # an input that stands twice may cancel
        assert torch.allclose(signed.abs(), absolute, rtol=1e-15, atol=0) or op in ("sum", "window_sum", "mix")
    assert bool((signed.abs() <= absolute * (1 + 1e-14)).all())
    assert float(torch.linalg.matrix_norm(absolute, 2)) <= ball.up(linear.absolute_norm(case.node)) * (1 + 1e-14)
    assert int((absolute != 0).sum(1).max()) <= linear.terms(case.node)


def exact_range(row: Sequence[float], lo: Sequence[float], hi: Sequence[float], shift: float) -> tuple[object, object]:
    """The range of row · x + shift over a box, as fractions; ±inf where it is unbounded."""
    ends: list[object] = []
    for low, high in ((lo, hi), (hi, lo)):
        places = [low[i] if w > 0 else high[i] for i, w in enumerate(row) if w]
        weights = [w for w in row if w]
        if all(map(math.isfinite, places)):
            terms = (Fraction(w) * Fraction(x) for w, x in zip(weights, places, strict=True))
            ends.append(sum(terms, Fraction(shift)))
        else:
            ends.append(-math.inf if low is lo else math.inf)
    return ends[0], ends[1]


@pytest.mark.parametrize("op", EXACT)
@QUICK
@given(data=st.data())
def test_the_reach_holds_the_exact_range(op: str, data: st.DataObject) -> None:
    case = CASES[op](data.draw)
    ends = [case.reaches[name] for name in case.node.inputs]
    lo, hi = (np.concatenate([np.ravel(getattr(r, side)) for r in ends]).tolist() for side in ("lo", "hi"))
    found = RULES[op].reach(case.node, ends)
    shift = torch.zeros(case.node.shape, dtype=torch.float64) + case.node.consts.get("offset", torch.zeros(()))
    rows = zip(matrix(case, False).tolist(), shift.flatten().tolist(), strict=True)
    for i, (row, moved) in enumerate(rows):
        low, high = exact_range(row, lo, hi, moved)
        assert found.lo.flat[i] <= low
        assert high <= found.hi.flat[i]


# Maps formed of several layers.


def times(a: Matrix, b: Matrix) -> Matrix:
    return [
        [sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for column in zip(*b, strict=True)]
        for row in a
    ]


def plus(a: Matrix, b: Matrix, c: Fraction, d: Fraction) -> Matrix:
    return [[c * x + d * y for x, y in zip(p, q, strict=True)] for p, q in zip(a, b, strict=True)]


def fractions(weight: Tensor) -> Matrix:
    return [[Fraction(x) for x in row] for row in weight.tolist()]


def layered(seed: int, size: float) -> tuple[dict[str, Node], str, Matrix]:
    """Linear layers, scalings and sums in a row, and their exact product."""
    generator, network, width = torch.Generator().manual_seed(seed), Network(4), 4
    name, exact = "x", fractions(torch.eye(4, dtype=torch.float64))
    for step in range(6):
        weight = size * torch.randn(width, width, generator=generator, dtype=torch.float64)
        if step % 3 == 0:
            name, exact = network.linear(name, weight), times(fractions(weight), exact)
        elif step % 3 == 1:
            factor = weight[0]
            name = network.add("scale", [name], width, factor=factor)
            exact = [[Fraction(f) * x for x in row] for f, row in zip(factor.tolist(), exact, strict=True)]
        else:
            other = network.linear(name, weight)
            shares = weight[0, :2].tolist()
            through = times(fractions(weight), exact)
            name = network.add_up([name, other], shares)
            exact = plus(exact, through, Fraction(shares[0]), Fraction(shares[1]))
    return network.nodes, name, exact


@pytest.mark.parametrize("size", [1.0, 1e-40, 1e30, 1e-60])
@pytest.mark.parametrize("seed", range(4))
def test_the_rounding_in_forming_a_map_is_covered(seed: int, size: float) -> None:
    nodes, output, exact = layered(seed, size)
    region = region_between(nodes, "x", output)
    assert region is not None
    part = increments(nodes, region, {}).exit[0]
    differences = [
        Fraction(x) - y
        for row, true in zip(part.matrix.tolist(), exact, strict=True)
        for x, y in zip(row, true, strict=True)
    ]
    squares = sum((d * d for d in differences), Fraction(0))
    assert ball.rational(squares.numerator, squares.denominator) <= part.error**2
    longest = max(sum((abs(x) for x in row), Fraction(0)) for row in exact)
    proved = prove_remainder(nodes, region, {})
    assert proved is not None
    assert ball.rational(longest.numerator, longest.denominator) <= proved
    assert ball.up(proved) <= float(longest) * (1 + 1e-12) + 1e-250


def test_a_map_that_overflows_proves_nothing() -> None:
    nodes, output, _ = layered(seed=0, size=1e60)
    region = region_between(nodes, "x", output)
    assert region is not None
    assert not increments(nodes, region, {}).exit[0].error.is_finite()
    assert prove_remainder(nodes, region, {}) is None
