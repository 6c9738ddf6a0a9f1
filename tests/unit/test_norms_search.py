"""The search returns witnesses that survive a file, and estimates that cannot pass for proofs."""

import json

import numpy as np
import pytest
from flint import arb

from lipcert.errors import InputError
from lipcert.norms import dense
from lipcert.norms.conv import Conv, prove_conv
from lipcert.norms.estimate import Estimate, LinearMap, lanczos, power_iteration
from lipcert.norms.search import ProvedNorm, conv_norm, spectral_norm


def test_a_witness_survives_json_and_the_search_repeats_itself() -> None:
    w = np.random.default_rng(0).standard_normal((120, 110))
    found, again = spectral_norm(w), spectral_norm(w)
    assert found.witness == again.witness == json.loads(json.dumps(found.witness))
    conv = Conv(np.random.default_rng(0).standard_normal((2, 2, 3)), (5000,), (1,), ((1, 1),), (1,))
    witness = json.loads(json.dumps(conv_norm(conv).witness))
    assert witness["method"] == "grid"
    proved = prove_conv(conv, witness, "residual")
    assert proved is not None
    assert proved <= conv_norm(conv).upper


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_refused_with_its_shape(bad: float) -> None:
    for refuse in (spectral_norm, dense.prove_linf, dense.frobenius_upper):
        with pytest.raises(InputError, match=r"\(2, 3\) holds NaN or infinity"):
            refuse(np.array([[0.0, 1.0, bad], [0.0, 0.0, 0.0]]))


@pytest.mark.parametrize("dtype", [np.int64, np.complex128, np.longdouble])
def test_only_floats_that_float64_holds_are_weights(dtype: type) -> None:
    if dtype is np.longdouble and np.finfo(np.longdouble).bits == 64:
        pytest.skip("long double is float64 here")
    with pytest.raises(TypeError):
        dense.scale(np.ones((2, 2), dtype=dtype))


def test_weights_are_left_as_they_were() -> None:
    for order in ("C", "F"):
        w = np.array(np.random.default_rng(0).standard_normal((130, 120)), order=order)
        before = w.copy()
        shift = spectral_norm(w).witness["shift"]
        dense.prove_by_residual(w, shift)
        assert np.array_equal(w, before)


def test_an_estimate_is_no_proved_norm_and_no_ball() -> None:
    estimate = power_iteration(np.eye(3), 2, np.random.default_rng(0))
    assert not isinstance(estimate, ProvedNorm | arb | float)
    assert isinstance(estimate, Estimate)
    assert estimate.value == pytest.approx(1)


def test_estimates_of_zero_and_of_extreme_scales() -> None:
    rng = np.random.default_rng(0)
    assert lanczos(np.zeros((3, 4)), rng).value == 0
    assert power_iteration(np.zeros((3, 4)), 3, rng).value == 0
    for scale in (1e-300, 1e-160, 1e160, 1e300):
        w = np.diag([3.0, 2.0, 1.0]) * scale
        assert lanczos(w, rng).value == pytest.approx(3 * scale, rel=1e-6)
        assert power_iteration(w, 60, rng).value == pytest.approx(3 * scale, rel=1e-6)


def test_lanczos_needs_only_the_map_and_its_adjoint() -> None:
    w = np.random.default_rng(0).standard_normal((40, 70))
    linear = LinearMap(lambda x: w @ x, lambda y: w.T @ y, 70)
    assert lanczos(linear, np.random.default_rng(1)).value == pytest.approx(np.linalg.norm(w, 2), rel=1e-6)
