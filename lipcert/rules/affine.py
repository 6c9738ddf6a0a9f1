"""Rules for weights: linear layers, convolutions, and scaling entry by entry."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from flint import arb
from torch import Tensor

from lipcert.norms import ball
from lipcert.norms.conv import Conv, linf_conv
from lipcert.norms.dense import frobenius_upper, prove_linf
from lipcert.norms.norm import Norm
from lipcert.rules.grouping import by_row, same
from lipcert.rules.interval import affine_forward, affine_reach, constant64, entrywise_reach
from lipcert.rules.narrow import is_narrow
from lipcert.rules.types import Fact, Linear, Node, Prover, Reach, Rule


def weight_matrix(node: Node) -> np.ndarray:
    """The weight of a linear node, out × in, float64."""
    return constant64(node, "weight").numpy()


def _linear_apply(node: Node, inputs: Sequence[Tensor], absolute: bool) -> Tensor:
    weight = constant64(node, "weight")
    return F.linear(inputs[0], weight.abs() if absolute else weight)


def _linear_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # |W Δx| <= |W| |Δx|; rows of a larger tensor are mapped apart, so the block-diagonal norm is |W|.
    matrix = weight_matrix(node)
    return facts[0].gain * (prover.spectral(node.name, matrix) if norm.inner == 2 else prove_linf(matrix))


_LINEAR = Linear(
    apply=_linear_apply,
    terms=lambda node: int(node.consts["weight"].shape[1]),
    absolute_norm=lambda node: frobenius_upper(weight_matrix(node)),
)
_ROW_REACH = affine_reach(_LINEAR)


def _linear_reach(node: Node, reaches: Sequence[Reach]) -> Reach:
    """One row for all: the image of the smallest box that holds every row of the input; of a point its rows apart."""
    given, lead = reaches[0], tuple(range(len(node.shape) - 1))
    if lead and is_narrow(given):
        rows: Reach = _ROW_REACH(node, [given.over((*node.shape[:-1], node.consts["weight"].shape[1]))])
        return rows
    row = Reach(given.lo.min(axis=lead), given.hi.max(axis=lead)) if lead else given
    one = replace(node, shape=node.shape[-1:])
    image = _ROW_REACH(one, [row])
    return Reach(np.broadcast_to(image.lo, node.shape), np.broadcast_to(image.hi, node.shape))


LINEAR = Rule(
    forward=affine_forward(_LINEAR),
    reach=_linear_reach,
    gain=_linear_gain,
    linear=_LINEAR,
    groups=by_row,
    source="|WΔx| <= |W||Δx|; the norm is proved by a verified Cholesky factor (l2) or row sums (linf)",
)


def conv_of(node: Node) -> Conv:
    """The convolution of a node, with its input size and float64 kernel."""
    attrs = node.attrs
    return Conv(
        kernel=constant64(node, "weight").numpy(),
        size=tuple(attrs["size"]),
        stride=tuple(attrs["stride"]),
        padding=tuple((p, p) for p in attrs["padding"]),
        dilation=tuple(attrs["dilation"]),
        groups=attrs["groups"],
        transposed=attrs["transposed"],
        output_padding=tuple(attrs["output_padding"]),
    )


def _conv_apply(node: Node, inputs: Sequence[Tensor], absolute: bool) -> Tensor:
    weight, attrs = constant64(node, "weight"), node.attrs
    x = inputs[0].flatten(0, -weight.dim())  # (batch · 1, channels, *size), also where the 1 is missing
    output = torch.convolution(
        x, weight.abs() if absolute else weight, None, attrs["stride"], attrs["padding"],
        attrs["dilation"], attrs["transposed"], attrs["output_padding"], attrs["groups"],
    )  # fmt: skip
    return output.reshape(len(inputs[0]), *node.shape)


def _conv_terms(node: Node) -> int:
    # A transposed convolution sums over its input channels, an ordinary one over its kernel's second axis.
    weight = node.consts["weight"]
    channels = weight.shape[0] if node.attrs["transposed"] else weight.shape[1]
    return int(channels * np.prod(weight.shape[2:]))


def _conv_absolute(node: Node) -> arb:
    # |L|_2² <= |L|_1 |L|_∞: the largest sums of |kernel| over a row and over a column of L are at most
    # those of the kernel over all its offsets.
    kernel = constant64(node, "weight").abs().flatten(2).sum(2)
    sums = [float(kernel.sum(axis).max()) for axis in (0, 1)]
    return (arb(sums[0]) * arb(sums[1])).sqrt() * (1 + 2 * ball.gamma(kernel.numel() + _conv_terms(node)))


def _conv_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # |L Δx| <= |L| |Δx|, L the operator on inputs of this size, zeros around them: norms/conv.py, norms/symbol.py.
    conv = conv_of(node)
    return facts[0].gain * (prover.conv(node.name, conv) if norm.inner == 2 else linf_conv(conv))


_CONV = Linear(apply=_conv_apply, terms=_conv_terms, absolute_norm=_conv_absolute)

CONV = Rule(
    forward=affine_forward(_CONV),
    reach=affine_reach(_CONV),
    gain=_conv_gain,
    linear=_CONV,
    source="the zero-padded operator is a compression of a circulant, whose norm is proved per frequency",
)


def _scale_apply(node: Node, inputs: Sequence[Tensor], absolute: bool) -> Tensor:
    factor = constant64(node, "factor")
    return inputs[0] * (factor.abs() if absolute else factor)


def largest_factor(node: Node) -> arb:
    """max |factor|, where the stored factor is within `ulps` units of roundoff of the true one."""
    factor = constant64(node, "factor").abs()
    if not bool(((factor == 0) | (factor > 1e-290)).all()):
        raise ValueError(f"{node.name}: factors below 1e-290 are outside the error analysis")
    ulps = int(node.attrs.get("ulps", 0))
    return arb(float(factor.max())) * (1 + 2 * arb(ulps) * arb(2) ** -53)


def _scale_gain(node: Node, norm: Norm, facts: Sequence[Fact], prover: Prover) -> arb:
    # A diagonal map: |diag(f)| = max |f| in every norm of entries.
    return facts[0].gain * largest_factor(node)


_SCALE = Linear(apply=_scale_apply, terms=lambda node: 1, absolute_norm=largest_factor)

SCALE = Rule(
    forward=affine_forward(_SCALE),
    reach=entrywise_reach(_SCALE),
    gain=_scale_gain,
    linear=_SCALE,
    groups=same,
    source="|diag(f)Δx| <= max|f| |Δx|; an added constant moves values, not differences",
)
