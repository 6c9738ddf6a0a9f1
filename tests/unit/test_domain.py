"""Where a claim holds: its points lie within its reach and its size, and its text reads back."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lipcert.bounds.points import Simplex, points_of
from lipcert.errors import UnsupportedError, UsageError
from lipcert.norms import ball
from lipcert.norms.norm import NORMS, Norm
from lipcert.rules.domain import Box, Domain, Everywhere, Vocabulary, from_text, longest_row

SHAPE = (1, 3, 4)
radii = st.sampled_from([Fraction(0), Fraction(1, 10), Fraction(3)])
norms = st.sampled_from(list(NORMS.values()))
dtypes = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])


def table_of(rows: int, features: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scales = 10 ** (2 * torch.rand(rows, 1, generator=generator) - 1)
    return (scales * torch.randn(rows, features, generator=generator)).to(dtype)


def mixed(table: Tensor, count: int, seed: int) -> Tensor:
    """Sequences of convex combinations of rows, most of them of few."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(count, *SHAPE[1:-1], len(table), generator=generator, dtype=torch.float64) ** 20
    return (weights / weights.sum(-1, keepdim=True)) @ table.double()


def moved(x: Tensor, radius: float, norm: Norm, seed: int) -> Tensor:
    """Each as far as the radius allows, in a direction that some entries, tokens or all of them share."""
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    direction[:, 1:] *= torch.randint(2, (len(x), 1, 1), generator=torch.Generator().manual_seed(seed))
    direction[..., 1:] *= torch.randint(2, (len(x), 1, 1), generator=torch.Generator().manual_seed(seed + 1))
    return x + radius * norm.steepest(direction)


def require_inside(domain: Domain, norm: Norm, table: Tensor | None, x: Tensor) -> None:
    reach = domain.reach(SHAPE, norm, table)
    size = ball.up(domain.size(SHAPE, norm, table))
    room = 1e-12 * (1 + float(x.abs().max()))
    assert np.broadcast_shapes(reach.lo.shape, SHAPE) == SHAPE
    assert bool((x.numpy() >= reach.lo[0] - room).all())
    assert bool((x.numpy() <= reach.hi[0] + room).all())
    assert float(x.norm(dim=-1).max()) <= size * (1 + 1e-12)


@settings(deadline=None, max_examples=60)
@given(norms, radii, dtypes, st.integers(1, 12), st.integers(0, 10**6))
def test_points_of_a_vocabulary(norm: Norm, radius: Fraction, dtype: torch.dtype, rows: int, seed: int) -> None:
    table, domain = table_of(rows, SHAPE[-1], seed, dtype), Vocabulary(radius)
    require_inside(domain, norm, table, moved(mixed(table, 20, seed), float(radius), norm, seed))


@settings(deadline=None, max_examples=60)
@given(norms, radii, st.fractions(-9, 9), st.fractions(0, 9), st.integers(0, 10**6))
def test_points_of_a_box(norm: Norm, radius: Fraction, low: Fraction, width: Fraction, seed: int) -> None:
    ends = torch.randint(2, (20, *SHAPE[1:]), generator=torch.Generator().manual_seed(seed))
    x = float(low) + float(width) * ends.double()
    require_inside(Box(low, low + width, radius=radius), norm, None, moved(x, float(radius), norm, seed))


def test_a_vocabulary_reaches_and_measures_no_more_than_it_has_to() -> None:
    table = torch.tensor([[3.0, 4.0], [0.0, -1.0], [1.0, 0.0]])
    norm = NORMS["token-rms"]
    reach = Vocabulary().reach((1, 7, 2), norm, table)
    assert (reach.lo.tolist(), reach.hi.tolist()) == ([[[0.0, -1.0]]], [[[3.0, 4.0]]])
    assert ball.up(Vocabulary().size((1, 7, 2), norm, table)) == pytest.approx(5, rel=1e-13)
    assert ball.up(Vocabulary("1/2").size((1, 7, 2), norm, table)) == pytest.approx(5 + math.sqrt(2) / 2, rel=1e-13)
    assert ball.up(Vocabulary(1).size((1, 7, 2), NORMS["l2"], table)) == pytest.approx(6, rel=1e-13)
    assert ball.up(Vocabulary(1).size((1, 7, 2), NORMS["linf"], table)) == pytest.approx(5 + math.sqrt(2), rel=1e-13)
    wide = Vocabulary(1).reach((1, 7, 2), norm, table)
    assert wide.hi[0, 0, 1] == pytest.approx(4 + math.sqrt(2), rel=1e-13)
    assert wide.hi[0, 0, 1] >= 4 + math.sqrt(2)


def test_the_ends_of_a_box_are_exact_where_the_norm_allows() -> None:
    reach = Box("1/10", 1, radius="1/10").reach(SHAPE, NORMS["l2"], None)
    assert float(reach.lo.min()) == 0.0
    assert float(Box(0, 1, radius=1).reach(SHAPE, NORMS["token-rms"], None).hi.max()) == 3.0  # √4 moves of 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-320, 1e-170, 1e-30, 1.0, 1e30, 1e150, 1e160])
def test_the_longest_row_is_not_underestimated(dtype: torch.dtype, scale: float) -> None:
    table = (scale * torch.randn(5000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).to(dtype)
    bound = longest_row(table)
    rows = [[arb(float(entry)) for entry in row] for row in table[table.abs().amax(1).argsort()[-40:]]]
    exact = [sum((entry * entry for entry in row), arb(0)) for row in rows]
    if bool(table.isfinite().all()):
        assert all(square <= bound * bound for square in exact)
    else:
        assert not bound.is_finite()


def test_rows_that_are_no_numbers_have_no_bound() -> None:
    table = torch.ones(3, 2)
    table[1, 1] = torch.nan
    assert not longest_row(table).is_finite()
    with pytest.raises(ValueError, match="no NaN"):
        Vocabulary().reach((1, 3, 2), NORMS["l2"], table)


def test_everywhere_has_no_ends() -> None:
    assert not Everywhere().reach(SHAPE, NORMS["l2"], None).bounded
    assert not Everywhere().size(SHAPE, NORMS["l2"], None).is_finite()


@pytest.mark.parametrize("method", ["reach", "size"])
def test_a_vocabulary_needs_a_table(method: str) -> None:
    with pytest.raises(UnsupportedError, match="vocabulary needs an embedding as the source"):
        getattr(Vocabulary(), method)(SHAPE, NORMS["l2"], None)


def test_what_is_no_domain() -> None:
    with pytest.raises(UsageError, match="negative"):
        Vocabulary(-1)
    with pytest.raises(UsageError, match="no finite number"):
        Vocabulary("many")
    with pytest.raises(UsageError, match="empty"):
        Box(1, 0)


@given(st.one_of(
    st.just(Everywhere()),
    st.builds(Vocabulary, st.fractions(0, 99)),
    st.builds(lambda a, b, r: Box(a, a + b, radius=r), st.fractions(), st.fractions(0, 9), st.fractions(0, 9)),
))  # fmt: skip
def test_the_text_of_a_domain_reads_back(domain: Domain) -> None:
    assert from_text(str(domain)) == domain


@pytest.mark.parametrize("text", [
    "", "everywhere+1", "Everywhere", "box:0", "box:1,0", "box:0,1+0", "box:0,2/2", "box:0,1/0", "box:0,1+-1",
    "box:0.5,1", "box:0,1e9", "vocabulary+0", "vocabulary+2/4", "vocabulary+-1", "vocabulary+1e9", "vocabulary ",
    "vocabulary:0,1", "vocabulary+1/0", "box:0," + "9" * 5000,
])  # fmt: skip
def test_what_no_domain_is_written_like(text: str) -> None:
    assert from_text(text) is None


@settings(deadline=None, max_examples=40)
@given(norms, radii, st.integers(1, 40), st.integers(0, 10**6))
def test_samples_and_projections_lie_in_the_vocabulary(norm: Norm, radius: Fraction, rows: int, seed: int) -> None:
    table, domain = table_of(rows, SHAPE[-1], seed), Vocabulary(radius)
    points = points_of(domain, SHAPE, norm, table)
    generator = torch.Generator().manual_seed(seed)
    sampled = points.sample(8, generator)
    thrown = points.project(30 * torch.randn(8, *SHAPE[1:], generator=generator, dtype=torch.float64))
    simplex = Simplex.of(table)
    assert {tuple(corner.tolist()) for corner in simplex.corners} <= {tuple(row) for row in table.double().tolist()}
    for x in (sampled, thrown):
        assert x.shape == (8, *SHAPE[1:])
        require_inside(domain, norm, table, x)
        require_hull(table, x, float(radius), norm)


def require_hull(table: Tensor, x: Tensor, radius: float, norm: Norm) -> None:
    """In every direction a point lies no further than the farthest row, and the radius allows."""
    directions = torch.randn(200, x.shape[-1], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    far = (table.double() @ directions.T).amax(0)
    dual = directions.abs().sum(1) if norm.inner == "inf" else directions.norm(dim=1) / float(norm.unit(x.shape[-1]))
    assert bool(((x @ directions.T).flatten(0, 1) <= far + radius * dual + 1e-9 * (1 + far.abs())).all())


@pytest.mark.parametrize("norm", NORMS.values(), ids=str)
def test_points_of_a_box_stay_in_it(norm: Norm) -> None:
    points = points_of(Box("1/10", "1/3", radius=1), SHAPE, norm, None)
    x = points.sample(9, torch.Generator().manual_seed(0))
    assert x.shape == (9, 3, 4)
    for inside in (x, points.project(9 * x - 1)):
        assert Fraction(float(inside.min())) >= Fraction(1, 10)
        assert Fraction(float(inside.max())) <= Fraction(1, 3)


def test_points_everywhere() -> None:
    points = points_of(Everywhere(), (1,), NORMS["l2"], None)
    x = points.sample(9, torch.Generator().manual_seed(0))
    assert x.shape == (9, 1)
    assert points.project(x) is x


def test_projections_are_projections_and_keep_short_pairs_short() -> None:
    table, norm = table_of(50, 8, 0), NORMS["token-l2"]
    points = points_of(Vocabulary(), (1, 5, 8), norm, table)
    x = points.sample(16, torch.Generator().manual_seed(0))
    torch.testing.assert_close(points.project(x), x, rtol=1e-9, atol=1e-9)
    near = x + 1e-6 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert float((points.project(near) - x).abs().max()) < 1e-4


def test_corners_of_a_table_that_has_few() -> None:
    same = torch.ones(4, 3)
    assert len(Simplex.of(same).corners) == 1
    torch.testing.assert_close(Simplex.of(same).project(torch.randn(2, 3).double()), torch.ones(2, 3).double())
    flat = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    assert len(Simplex.of(flat).corners) == 2
