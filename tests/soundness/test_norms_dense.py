"""No proof of a dense norm ever gives a number below the truth, whatever the witness says."""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import pytest
from flint import arb, arb_mat, ctx, fmpz
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.linalg import hadamard

from lipcert.norms import dense
from lipcert.norms.estimate import lanczos, power_iteration
from lipcert.norms.search import spectral_norm

Prove = Callable[[np.ndarray, float], arb | None]

PROOFS = [dense.prove_by_cholesky, dense.prove_by_residual]
SHAPES = [(1, 1), (1, 9), (9, 1), (6, 6), (40, 15), (15, 40), (110, 100)]
REFERENCE = 1e-12
"""What a float64 SVD of these sizes may be off by, relative, with a wide margin."""


def spectra(n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    yield np.ones(n)
    yield 1 + 1e-9 * rng.random(n)
    yield np.r_[np.ones(n // 2 + 1), rng.random(n)][:n]
    yield np.r_[rng.random(n // 3 + 1), np.zeros(n)][:n] + np.eye(1, n)[0]
    yield np.geomspace(1, 1e-15, n)
    yield 1 - np.linspace(0, 1, n) ** 2
    yield np.r_[1.0, np.full(n, 1e-8)][:n]


def matrices(shape: tuple[int, int]) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(shape)
    n = min(shape)
    for spectrum in spectra(n, rng):
        left = np.linalg.qr(rng.standard_normal((shape[0], n)))[0]
        right = np.linalg.qr(rng.standard_normal((shape[1], n)))[0]
        yield (left * spectrum) @ right.T
    yield rng.standard_normal(shape)
    yield rng.standard_normal(shape) ** 15
    yield (rng.random(shape) < 0.1) * rng.standard_normal(shape)


def true_norm(w: np.ndarray) -> float:
    return float(np.linalg.svd(w, compute_uv=False)[..., 0].max())


def true_shift(w: np.ndarray) -> float:
    """σ_max² of the matrix that the witness speaks about, as a float64 SVD sees it."""
    scaled = dense.scale(w)
    assert scaled is not None
    return true_norm(scaled[0]) ** 2


SCALES = [2.0**-1040, 1e-150, 1e150, 3e-320]
FACTORS = np.r_[0, 0.5, 1 - np.geomspace(1e-2, 1e-17, 10), 1 + np.geomspace(1e-16, 1e-2, 8), 1e9]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("prove", PROOFS)
def test_no_witness_proves_less_than_the_truth(prove: Prove, shape: tuple[int, int]) -> None:
    for w in matrices(shape):
        truth, shift = true_norm(w), true_shift(w)
        for factor in FACTORS:
            proved = prove(w, float(shift * factor))
            assert proved is None or proved >= truth * (1 - REFERENCE)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("prove", PROOFS)
def test_scales_near_the_ends_of_float64_lose_nothing(prove: Prove, scale: float) -> None:
    for w in matrices((12, 9)):
        scaled = w * scale
        exact, exponent = dense.finite(scaled)
        truth = arb(true_norm(exact)) * arb(2) ** exponent
        for factor in FACTORS:
            proved = prove(scaled, float(true_shift(scaled) * factor))
            assert proved is None or proved >= truth * (1 - arb(REFERENCE))


def known_norms() -> Iterator[tuple[np.ndarray, fmpz]]:
    """Integer matrices and the exact square of their norm."""
    for k in (1, 2, 8, 64):
        yield 3.0 * hadamard(k), fmpz(9 * k)
    yield np.diag([1.0, 7.0, 3.0, 0.0]), fmpz(49)
    rng = np.random.default_rng(5)
    for m, n in [(3, 4), (20, 31), (90, 17)]:
        a, b = rng.integers(-50, 50, m), rng.integers(-50, 50, n)
        yield np.outer(a, b).astype(np.float64), fmpz(int(a @ a) * int(b @ b))
    yield np.eye(33), fmpz(1)
    yield np.ones((100, 7)), fmpz(700)


@pytest.mark.parametrize("prove", PROOFS)
def test_exactly_known_norms_are_not_undercut_by_an_ulp(prove: Prove) -> None:
    for w, square in known_norms():
        exponent = dense.finite(w)[1]
        exact_shift = float(arb(square) / arb(4) ** exponent)
        for steps in range(-12, 13):
            shift = exact_shift * (1 + steps * 2.0**-52)
            proved = prove(w, shift)
            assert proved is None or proved**2 >= arb(square)


@pytest.mark.parametrize("prove", PROOFS)
def test_the_rounding_terms_cover_what_is_lost_in_the_last_places(prove: Prove) -> None:
    accepted_below = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        w = rng.standard_normal((int(rng.integers(2, 7)), int(rng.integers(2, 7))))
        shift, exponent = true_shift(w), dense.finite(w)[1]
        for ulps in range(-6, 3):
            tried = shift * (1 + ulps * 2.0**-52)
            proved = prove(w, tried)
            if proved is not None:
                assert not beaten(w, proved)
                accepted_below += beaten(w, arb(tried).sqrt() * arb(2) ** exponent)
    assert accepted_below >= 3  # so a bound without those terms would have been wrong


def beaten(w: np.ndarray, bound: arb) -> bool:
    """Whether bound²·I - WᵀW has a negative leading minor, in arithmetic precise enough to decide."""
    w = w if w.shape[0] >= w.shape[1] else w.T
    precision, ctx.prec = ctx.prec, 1000
    try:
        exact = arb_mat([[arb(float(x)) for x in row] for row in w])
        rest = -(exact.transpose() * exact)
        for i in range(rest.nrows()):
            rest[i, i] += bound**2
        leading = (arb_mat([[rest[i, j] for j in range(k)] for i in range(k)]) for k in range(1, len(w.T) + 1))
        return any(minor.det() < 0 for minor in leading)
    finally:
        ctx.prec = precision


@pytest.mark.parametrize("prove", PROOFS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_nan_or_infinity_anywhere_is_no_proof(prove: Prove, bad: float) -> None:
    for i, j in [(0, 0), (4, 2), (7, 4), (0, 4)]:
        w = np.random.default_rng(0).standard_normal((8, 5))
        w[i, j] = bad
        assert prove(w, 100.0) is None
        assert prove(w.T, 100.0) is None
        assert prove(np.stack([np.ones((8, 5)), w]), 100.0) is None


@pytest.mark.parametrize("prove", PROOFS)
@pytest.mark.parametrize("shift", [np.nan, np.inf, -np.inf, -1.0, 2.0**101])
def test_a_shift_that_is_no_sane_number_is_no_proof(prove: Prove, shift: float) -> None:
    assert prove(np.eye(3), shift) is None


def test_lapack_accepting_nan_is_not_taken_for_a_factor() -> None:
    poisoned = np.asfortranarray(np.full((4, 4), np.nan))
    assert dense.eigenvalue_by_cholesky(poisoned, 4, 10.0) is None
    infinite = np.asfortranarray(np.diag([1.0, -np.inf, 1.0]))
    assert dense.eigenvalue_by_cholesky(infinite, 3, 10.0) is None


@pytest.mark.parametrize("prove", PROOFS)
def test_a_stack_is_bounded_by_its_worst_matrix(prove: Prove) -> None:
    rng = np.random.default_rng(1)
    stack = rng.standard_normal((6, 7, 4))
    stack[3] *= 5
    truth, shift = true_norm(stack), true_shift(stack)
    for factor in FACTORS:
        proved = prove(stack, float(shift * factor))
        assert proved is None or proved >= truth * (1 - REFERENCE)
    assert prove(stack, shift * (1 + 1e-9)) <= truth * (1 + 1e-9)


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0), (3, 0, 2), (3, 5)])
def test_zero_and_empty_have_norm_zero(shape: tuple[int, ...]) -> None:
    for prove in PROOFS:
        assert prove(np.zeros(shape), 0.0) == 0
        assert prove(np.zeros(shape), 1.0) == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_search_claims_is_true_tight_and_confirmed_by_both_proofs(shape: tuple[int, int]) -> None:
    for scale in (1.0, 1e-150, 1e150):
        for w in matrices(shape):
            found, exponent = spectral_norm(w * scale), dense.finite(w * scale)[1]
            truth = arb(2) ** exponent * arb(true_norm(dense.finite(w * scale)[0]))
            assert truth * (1 - arb(REFERENCE)) <= found.upper <= truth * (1 + arb("1e-6"))
            for prove in PROOFS:
                proved = prove(w * scale, found.witness["shift"])
                assert proved is not None
                assert proved <= found.upper


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1500, 1500), (400, 2000), (2000, 400)])
def test_what_the_search_claims_holds_for_large_matrices(shape: tuple[int, int]) -> None:
    for w in islice(matrices(shape), 0, None, 2):
        found = spectral_norm(w)
        truth = true_norm(w)
        assert truth * (1 - 1e-11) <= found.upper <= truth * (1 + 1e-6)
        for prove in PROOFS:
            proved = prove(w, found.witness["shift"])
            assert proved is not None
            assert proved <= found.upper


def test_float16_and_float32_weights_are_taken_exactly() -> None:
    for dtype in (np.float16, np.float32):
        w = np.random.default_rng(0).standard_normal((30, 20)).astype(dtype)
        assert spectral_norm(w).upper == spectral_norm(w.astype(np.float64)).upper


def test_estimates_lie_below_and_would_fail_as_proofs() -> None:
    rng = np.random.default_rng(0)
    below = 0
    for seed in range(10):
        w = np.random.default_rng(seed).standard_normal((200, 200))
        estimate = power_iteration(w, 16, rng).value
        shift = (estimate / 2.0 ** dense.finite(w)[1]) ** 2
        assert dense.prove_by_cholesky(w, shift) is None
        residual = dense.prove_by_residual(w, shift)
        assert residual is not None
        assert residual >= true_norm(w) * (1 - REFERENCE)
        below += estimate < 0.999 * true_norm(w)
        assert lanczos(w, rng).value == pytest.approx(true_norm(w), rel=1e-6)
    assert below >= 8


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_row_sums_and_frobenius_norms_are_rounded_up(w: np.ndarray) -> None:
    exact = [[abs(arb(float(x))) for x in row] for row in w]
    longest = dense.prove_linf(w)
    assert all(not longest < sum(row, arb(0)) for row in exact)
    assert not dense.frobenius_upper(w) ** 2 < sum((x * x for row in exact for x in row), arb(0))
