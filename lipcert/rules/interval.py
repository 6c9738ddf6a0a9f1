"""Interval arithmetic on arrays, rounded outward."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from lipcert.norms import ball
from lipcert.rules.groups import once
from lipcert.rules.types import Array, Linear, Node, Reach

Mask = Bool[np.ndarray, "..."] | np.bool_

_TINY = 2.0**-1000
"""Covers underflow: far above the sum of any roundings below the normal range."""


def outward(lo: Array, hi: Array, error: Array | float = 0.0) -> Reach:
    """The reach [lo - error, hi + error], one more rounding covered; infinite ends stay."""
    return Reach(np.nextafter(lo - error, -np.inf), np.nextafter(hi + error, np.inf))


def everything(shape: tuple[int, ...]) -> Reach:
    """Nothing is known."""
    return Reach(np.broadcast_to(-np.inf, shape), np.broadcast_to(np.inf, shape))


def constant64(node: Node, key: str) -> Tensor:
    """A weight or buffer in float64, exactly (float16, bfloat16 and float32 embed in it)."""
    return node.consts[key].detach().to(torch.float64)


def offset(node: Node) -> Tensor | float:
    """What a linear operation adds, shaped to broadcast against the output."""
    return constant64(node, "offset") if "offset" in node.consts else 0.0


def affine_forward(linear: Linear):  # type: ignore[no-untyped-def]
    """The operation that applies `linear` and adds the node's offset."""

    def forward(node: Node, inputs: Sequence[Tensor]) -> Tensor:
        return linear.apply(node, inputs, False) + offset(node)

    return forward


def entrywise_reach(linear: Linear):  # type: ignore[no-untyped-def]
    """`affine_reach` of an operation that takes every entry at its place: on boxes without their repetitions."""
    image = affine_reach(linear)

    def reach(node: Node, reaches: Sequence[Reach]) -> Reach:
        found = image(node, [Reach(once(box.lo), once(box.hi)) for box in reaches])
        return Reach(np.broadcast_to(found.lo, node.shape), np.broadcast_to(found.hi, node.shape))

    return reach


def affine_reach(linear: Linear):  # type: ignore[no-untyped-def]
    """The image of boxes under an affine map, centre and radius apart.

    With computed c and r >= |x - c|: Lx lies within |L|r of Lc, and every computed sum of k
    products errs by at most γ_k |L||·| (Higham 2002, §3.1). An output that an unbounded entry
    reaches, or where a sum may overflow, is unbounded.
    """

    def reach(node: Node, reaches: Sequence[Reach]) -> Reach:
        boxes = [centred(r) for r in reaches]
        shift = np.asarray(offset(node))
        centre = _run(linear, node, [c for c, _, _ in boxes], False) + shift
        radius = _run(linear, node, [r for _, r, _ in boxes], True)
        size = _run(linear, node, [np.abs(c) + r for c, r, _ in boxes], True) + np.abs(shift)
        unknown = size >= 2.0**1020
        if any(mask.any() for _, _, mask in boxes):
            unknown |= _run(linear, node, [mask.astype(np.float64) for _, _, mask in boxes], True) > 0
        rounding = ball.up(ball.gamma(linear.terms(node) + 4 + node.attrs.get("ulps", 0)))
        error = np.where(unknown, np.inf, 2 * rounding * size + _TINY)
        centre, radius = np.where(unknown, 0.0, centre), np.where(unknown, 0.0, radius)
        return outward(centre - radius, centre + radius, error)

    return reach


def centred(reach: Reach) -> tuple[Array, Array, Mask]:
    """Centre, radius and the mask of entries without a finite box (there: 0, 0, True)."""
    unbounded = ~(np.isfinite(reach.lo) & np.isfinite(reach.hi) & (reach.magnitude < 2.0**1000))
    lo, hi = np.where(unbounded, 0.0, reach.lo), np.where(unbounded, 0.0, reach.hi)
    centre = lo / 2 + hi / 2
    return centre, np.nextafter(np.maximum(hi - centre, centre - lo), np.inf), unbounded


def _run(linear: Linear, node: Node, inputs: Sequence[Array], absolute: bool) -> Array:
    batch = [torch.from_numpy(np.array(x))[None] for x in inputs]
    return linear.apply(node, batch, absolute)[0].numpy()
