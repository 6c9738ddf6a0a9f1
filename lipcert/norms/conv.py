"""Convolutions as linear operators, and proofs of their norms.

The norm of the operator depends on size, padding and stride; it is not the norm of the reshaped kernel.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from flint import arb
from jaxtyping import Float

from lipcert.errors import InputError
from lipcert.norms import dense
from lipcert.norms.ball import UNDERFLOW, gamma, upper
from lipcert.norms.symbol import Axis, Symbols, axis_taps, combine_phases, symbols
from lipcert.norms.windows import combine_windows, window_count, window_indices

Form = Literal["cholesky", "residual"]

LARGEST_MATRIX = 2**28
"""Entries; above it no dense operator is formed."""

_FORMS = {
    "cholesky": (dense.prove_by_cholesky, dense.eigenvalue_by_cholesky),
    "residual": (dense.prove_by_residual, dense.eigenvalue_by_residual),
}


@dataclass(frozen=True, eq=False)
class Conv:
    """A convolution with zero padding, in 1 to 3 dimensions, without bias.

    kernel: (c_out, c_in / groups, *taps), transposed (c_in, c_out / groups, *taps), as torch has them.
    size: of the input, without batch and channels. padding: zeros (before, after) each axis; of a transposed
    convolution what is cut off. Raises InputError where the parts do not fit each other.
    """

    kernel: Float[np.ndarray, "rows columns *taps"]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1
    transposed: bool = False
    output_padding: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        taps = self.kernel.shape[2:]
        axes = (self.size, self.stride, self.padding, self.dilation)
        fits = all(len(axis) == len(taps) for axis in axes) and len(self.output_padding) in (0, len(taps))
        positive = all(min(axis, default=1) >= 1 for axis in (taps, self.size, self.stride, self.dilation))
        if not (fits and positive and self.groups >= 1 and self.kernel.shape[0] % self.groups == 0):
            raise InputError(
                f"no convolution has kernel {self.kernel.shape}, size {self.size}, stride {self.stride}, "
                f"padding {self.padding}, dilation {self.dilation}, groups {self.groups}",
                hint="each needs one entry an axis, and the groups must divide the channels",
            )
        if min(self.output_size, default=1) < 1:
            raise InputError(f"a convolution of kernel {taps} over size {self.size} has no output")

    @property
    def output_size(self) -> tuple[int, ...]:
        """Of the output, without batch and channels."""
        return tuple(self._outputs(axis) for axis in range(len(self.size)))

    def _outputs(self, axis: int) -> int:
        size, taps, stride = self.size[axis], int(self.kernel.shape[2 + axis]), self.stride[axis]
        padding, dilation = self.padding[axis], self.dilation[axis]
        if not self.transposed:
            return window_count(size, taps, stride, padding, dilation)
        extra = self.output_padding[axis] if self.output_padding else 0
        return (size - 1) * stride - sum(padding) + dilation * (taps - 1) + 1 + extra

    @property
    def read_size(self) -> tuple[int, ...]:
        """The side with the windows' entries: the input, of a transposed convolution the output."""
        return self.output_size if self.transposed else self.size

    @property
    def window_size(self) -> tuple[int, ...]:
        """The side with one entry a window: the output, of a transposed convolution the input."""
        return self.size if self.transposed else self.output_size

    @property
    def grouped(self) -> Float[np.ndarray, "groups a b taps"]:
        """The kernel, group by group: window channels × read channels × taps."""
        rows, columns = self.kernel.shape[:2]
        return self.kernel.reshape(self.groups, rows // self.groups, columns, -1)

    @property
    def axes(self) -> tuple[Axis, ...]:
        taps = self.kernel.shape[2:]
        starts = tuple(before for before, _ in self.padding)
        return tuple(
            axis_taps(*axis)
            for axis in zip(self.read_size, self.window_size, taps, self.stride, starts, self.dilation, strict=True)
        )


def conv_matrix(conv: Conv) -> Float[np.ndarray, "outputs inputs"]:
    """The operator as a matrix, exactly: every entry is one entry of the kernel, or zero."""
    stack = group_matrices(conv)
    groups, rows, columns = stack.shape
    matrix = np.zeros((groups * rows, groups * columns))
    for group, block in enumerate(stack):
        matrix[group * rows : (group + 1) * rows, group * columns : (group + 1) * columns] = block
    return matrix.T if conv.transposed else matrix


def group_matrices(conv: Conv) -> Float[np.ndarray, "groups windows read"]:
    """The diagonal blocks of the operator, of a transposed convolution of its adjoint.

    A tap reads at most one entry of the input and two taps of a window never the same one.
    """
    kernel = conv.grouped
    axes = [
        window_indices(size, conv.kernel.shape[2 + i], conv.stride[i], conv.padding[i], conv.dilation[i], outputs)
        for i, (size, outputs) in enumerate(zip(conv.read_size, conv.window_size, strict=True))
    ]
    windows = combine_windows(axes, conv.read_size)
    groups, a, b, taps = kernel.shape
    matrix = np.zeros((groups, a, len(windows), b, math.prod(conv.read_size)))
    for tap in range(taps):
        inside = np.flatnonzero(windows[:, tap] >= 0)
        matrix[:, :, inside, :, windows[inside, tap]] = kernel[:, :, :, tap]
    return matrix.reshape(groups, a * len(windows), -1)


def prove_conv(conv: Conv, witness: Mapping[str, object], form: Form) -> arb | None:
    """An upper bound of the l2 operator norm of `conv`; None where the witness proves nothing.

    The adjoint has the same norm, and the norm of a block-diagonal operator is that of its largest block.

    witness: {"method": "dense", "shift": s}, the operator as a matrix; or {"method": "grid", "grid":
    [N, …], "shift": s}, its symbol on a grid of frequencies (see `norms.symbol`).
    """
    shift, grid = witness.get("shift"), witness.get("grid")
    if not isinstance(shift, float):
        return None
    if not conv.kernel.any():
        return arb(0)
    if witness.get("method") == "dense":
        return _prove_dense(conv, shift, form)
    if witness.get("method") == "grid" and isinstance(grid, list):
        return _prove_grid(conv, grid, shift, form)
    return None


def _prove_dense(conv: Conv, shift: float, form: Form) -> arb | None:
    if matrix_size(conv) > LARGEST_MATRIX:
        return None
    stack = group_matrices(conv)
    return _FORMS[form][0](stack[0] if len(stack) == 1 else stack, shift)


def _prove_grid(conv: Conv, grid: Sequence[object], shift: float, form: Form) -> arb | None:
    symbol = conv_symbols(conv, grid)
    if symbol is None or not 0 <= shift <= dense.LARGEST_SHIFT:
        return None
    worst = arb(0)
    for rows, gram in symbol.grams():
        proved = _FORMS[form][1](gram, rows, shift)
        if proved is None:
            return None
        worst = worst.max(proved)
    return symbol.norm(worst)


def conv_symbols(conv: Conv, grid: Sequence[object]) -> Symbols | None:
    """The symbol on a grid; None for a grid that proves nothing and for NaN and infinity."""
    return symbols(conv.grouped, conv.axes, grid)


def matrix_size(conv: Conv) -> int:
    """How many entries the diagonal blocks of the operator have."""
    groups, a, b, _ = conv.grouped.shape
    return int(groups * a * b) * math.prod(conv.read_size) * math.prod(conv.window_size)


def linf_conv(conv: Conv) -> arb:
    """An upper bound of the operator norm from ℓ∞ to ℓ∞, the largest ℓ1 norm of a row of the operator.

    An output of a convolution sums over one row of the kernel. An output of a transposed one, at a position
    that leaves r when divided by the stride, over the taps of phase r. Near the border it is less.
    Raises InputError for NaN and infinity.
    """
    if not conv.kernel.any():
        return arb(0)
    scaled, exponent = dense.finite(conv.grouped.reshape(len(conv.grouped), -1))
    kernel = np.abs(scaled).reshape(conv.grouped.shape)
    phases = combine_phases(conv.axes)
    sums = (
        np.stack([kernel[..., phases == phase].sum(axis=(1, 3)) for phase in np.unique(phases)])
        if conv.transposed
        else kernel.sum(axis=(2, 3))
    )
    # Nonnegative terms summed in any order: Higham 2002, §4.2.
    return upper((arb(float(sums.max())) / (1 - gamma(kernel[0].size)) + UNDERFLOW) * arb(2) ** exponent)
