"""Windows are counted and placed as torch does it."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lipcert.norms.windows import combine_windows, window_count, window_indices

CASES = [
    (size, kernel, stride, padding, dilation)
    for size, kernel, stride, padding, dilation in itertools.product((1, 4, 7), (1, 2, 3), (1, 2, 3), (0, 1), (1, 2))
    if padding <= kernel // 2 and size + 2 * padding > dilation * (kernel - 1)
]


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_the_number_of_windows_is_that_of_torch(ceil_mode: bool) -> None:
    for size, kernel, stride, padding, dilation in CASES:
        pooled = F.max_pool1d(torch.zeros(1, 1, size), kernel, stride, padding, dilation, ceil_mode=ceil_mode)
        count = window_count(size, kernel, stride, (padding, padding), dilation, ceil_mode=ceil_mode)
        assert count == pooled.shape[-1]


def test_the_entries_of_a_window_are_those_that_torch_unfolds() -> None:
    for size, kernel, stride, padding, dilation in CASES:
        numbered = torch.arange(1.0, size + 1).reshape(1, 1, size, 1)
        unfolded = F.unfold(numbered, (kernel, 1), (dilation, 1), (padding, 0), (stride, 1))[0].T
        windows = window_indices(size, kernel, stride, (padding, padding), dilation)
        assert np.array_equal(windows + 1, unfolded.numpy())


def test_windows_over_two_axes_are_row_major_and_outside_wins() -> None:
    rows, columns = window_indices(3, 2, 1, (1, 0), 1), window_indices(4, 3, 2, (0, 1), 1)
    numbered = F.pad(torch.arange(1.0, 13).reshape(1, 1, 3, 4), (0, 1, 1, 0))
    unfolded = F.unfold(numbered, (2, 3), 1, 0, (1, 2))[0].T
    assert np.array_equal(combine_windows([rows, columns], (3, 4)) + 1, unfolded.numpy())


def test_more_windows_than_fit_read_padding_only() -> None:
    assert window_count(2, 5, 1, (0, 0), 1) == 0
    assert window_indices(2, 1, 1, (0, 0), 1, outputs=4).tolist() == [[0], [1], [-1], [-1]]
