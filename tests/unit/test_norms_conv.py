"""The description of a convolution: sizes, refusals, and small operators written out."""

from dataclasses import replace

import numpy as np
import pytest

from lipcert.errors import InputError
from lipcert.norms.conv import Conv, conv_matrix, linf_conv
from lipcert.norms.search import conv_norm

PLAIN = Conv(np.array([[[1.0, 2.0, 3.0]]]), (4,), (1,), ((1, 1),), (1,))


def test_a_small_operator_is_the_matrix_one_writes_by_hand() -> None:
    assert conv_matrix(PLAIN).tolist() == [[2, 3, 0, 0], [1, 2, 3, 0], [0, 1, 2, 3], [0, 0, 1, 2]]
    strided = replace(PLAIN, stride=(2,), padding=((0, 1),))
    assert conv_matrix(strided).tolist() == [[1, 2, 3, 0], [0, 0, 1, 2]]
    assert conv_matrix(replace(PLAIN, transposed=True)).tolist() == conv_matrix(PLAIN).T.tolist()


def test_a_transposed_convolution_has_the_output_size_of_torch() -> None:
    up = Conv(np.ones((2, 3, 4, 3)), (5, 6), (2, 3), ((1, 1), (0, 0)), (1, 2), 1, True, (1, 0))
    assert up.output_size == (11, 20)
    assert conv_matrix(up).shape == (3 * 11 * 20, 2 * 5 * 6)


def test_linf_sums_a_row_of_the_kernel_and_of_a_transposed_one_what_meets_in_one_output() -> None:
    assert linf_conv(PLAIN) >= 6
    assert linf_conv(PLAIN) < 6 + 1e-12
    meeting = linf_conv(replace(PLAIN, transposed=True, stride=(2,)))  # taps 0 and 2 meet, or tap 1 is alone
    assert 4 <= float(meeting) < 4 + 1e-12


@pytest.mark.parametrize(
    "change",
    [
        {"size": (4, 4)},
        {"stride": (0,)},
        {"dilation": ()},
        {"groups": 2},
        {"groups": 0},
        {"output_padding": (0, 0)},
        {"padding": ()},
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="no convolution has kernel"):
        replace(PLAIN, **change)


def test_a_convolution_without_output_is_refused() -> None:
    with pytest.raises(InputError, match="no output"):
        replace(PLAIN, size=(1,), padding=((0, 0),))


def test_a_pointwise_convolution_has_the_norm_of_its_matrix_whatever_the_size() -> None:
    kernel = np.random.default_rng(0).standard_normal((6, 4, 1, 1))
    truth = np.linalg.norm(kernel[:, :, 0, 0], 2)
    for size in (3, 1000):
        found = conv_norm(Conv(kernel, (size, size), (1, 1), ((0, 0), (0, 0)), (1, 1)))
        assert truth * (1 - 1e-12) <= found.upper <= truth * (1 + 1e-6)
    assert found.witness["grid"] == [1, 1]


def test_patches_without_overlap_have_the_norm_of_the_reshaped_kernel() -> None:
    kernel = np.random.default_rng(0).standard_normal((8, 3, 4, 4))
    truth = np.linalg.norm(kernel.reshape(8, -1), 2)
    found = conv_norm(Conv(kernel, (256, 256), (4, 4), ((0, 0), (0, 0)), (1, 1)))
    assert truth * (1 - 1e-12) <= found.upper <= truth * (1 + 1e-6)
