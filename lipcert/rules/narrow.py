"""Enclosures round a point: what attention and normalisation return where their inputs are known but for rounding.

A row at a time, and with every rounding of binary64 accounted for: γ_k is the relative error of a sum of k products
(Higham 2002, §3.1). They are for certified margins, which begin with a network's outputs at one example.
"""

from collections.abc import Sequence

import numpy as np

from lipcert.norms import ball
from lipcert.rules.interval import centred, constant64
from lipcert.rules.types import Array, Node, Reach

_NARROW = 1e-2
"""Relative to the largest entry. What is wider is enclosed by the cheaper rules: a matter of cost, not of proof."""
_LEAST, _ULPS = -746.0, 8.0
"""Below the first, exp is 0 in binary64, and in truth below the normal range; above, it errs by so many units."""
_TINY = 1e-290
"""Covers underflow, and all that a softmax leaves below the normal range."""


def is_narrow(reach: Reach) -> bool:
    """Whether every entry is known but for rounding, as where a network is evaluated."""
    if not reach.bounded:
        return False
    size = float(reach.magnitude.max())
    return size < 1e100 and float((reach.hi - reach.lo).max()) <= _NARROW * size


def attended(node: Node, reaches: Sequence[Reach]) -> Reach | None:
    """softmax(a) v, for logits a near those of the centres; None where that says nothing. Reaches of full shape.

    With weights P of the centres and a_s moved by at most ρ_s, P_s moves by a factor between e^-(ρ_s + σ) and
    e^(ρ_s + σ), for σ = log Σ P_j e^ρ_j: the sum that divides moves by one between e^-σ (Cauchy and Schwarz) and e^σ.
    Weights add up to 1 before and after, so one vector may be taken off all values.
    """
    repeat = int(node.attrs["group"])
    q, k, v = (_box(reach, each) for reach, each in zip(reaches, (1, repeat, repeat), strict=True))
    with np.errstate(over="ignore", invalid="ignore"):  # what is no number is not below
        logits, apart = _logits(node, q, k)
    if not (float(apart.max()) < 0.5 and abs(float(node.attrs["scale"])) < 1e100):
        return None
    falls = logits - logits.max(axis=-1, keepdims=True)
    powers = np.exp(falls)
    weights = powers / powers.sum(axis=-1, keepdims=True)
    terms = ball.up(2 * ball.gamma(weights.shape[-1] + 64))
    computed = _exp_error(falls) + terms
    shared = np.log1p((weights * np.expm1(apart)).sum(axis=-1, keepdims=True) * (1 + 1e-9))
    factor = np.expm1((apart + shared + 2 * computed) * (1 + 1e-9))
    value, spread = v
    middle = value.min(axis=-2, keepdims=True) / 2 + value.max(axis=-2, keepdims=True) / 2
    rest = value - middle
    size = np.abs(value) + spread
    error = (
        (weights * factor) @ np.abs(rest)
        + (weights * (1 + factor)) @ spread
        + terms * (np.abs(middle) + weights @ size)
    )
    error = error * (1 + 1e-9) + _TINY * (1 + size.sum(axis=-2, keepdims=True))
    return _around(middle + weights @ rest, error)


def _box(reach: Reach, repeat: int) -> tuple[Array, Array]:
    """Centre and radius, each head so many times."""
    centre, radius, _ = centred(reach)
    return (centre, radius) if repeat == 1 else (np.repeat(centre, repeat, axis=-3), np.repeat(radius, repeat, axis=-3))


def _exp_error(falls: Array) -> Array:
    """Of exp, relative, in each row: a difference is rounded by its 2^-53, which is that part of the value."""
    deepest = np.where(falls < _LEAST, 0.0, -falls).max(axis=-1, keepdims=True)
    return np.asarray((deepest + _ULPS) * 2.0**-52)


def _logits(node: Node, q: tuple[Array, Array], k: tuple[Array, Array]) -> tuple[Array, Array]:
    """Those of the centres, -inf where they are masked, and how far from them the others can be, 0 there."""
    scale = float(node.attrs["scale"])
    bias = constant64(node, "bias").numpy() if "bias" in node.consts else np.zeros(())
    (query, around), (key, near) = q, (np.swapaxes(k[0], -1, -2), np.swapaxes(k[1], -1, -2))
    logits = scale * (query @ key) + bias
    reach = np.abs(query) @ near + around @ (np.abs(key) + near)
    size = abs(scale) * (np.abs(query) @ np.abs(key) + reach) + np.abs(bias)
    error = (abs(scale) * reach + ball.up(2 * ball.gamma(query.shape[-1] + 8)) * size) * (1 + 1e-9) + _TINY
    if "filled" in node.consts:
        filled = node.consts["filled"].numpy()
        logits, error = np.where(filled, bias, logits), np.where(filled, 0.0, error)
    if "keep" in node.consts:
        keep = node.consts["keep"].numpy()
        logits, error = np.where(keep, logits, -np.inf), np.where(keep, error, 0.0)
    # A mask may add -3e38, of which rounding alone is much; so far below another, a weight is less than e^-800.
    least = (logits - error).max(axis=-1, keepdims=True)
    nothing = logits + error < least - 800
    return np.where(nothing, -np.inf, logits), np.where(nothing, 0.0, error)


def normalised(node: Node, reach: Reach) -> Reach | None:
    """y(z) = z/√(mean z² + ε) of groups z, centred or not, round that of their centres; None where ε is almost 0.

    |y(z) - y(z')| <= |z - z'|/m where mean z² + ε >= m² for both, as of the rule for gains. Centring is rounded by at
    most 2γ max|x| an entry, so both lie within `far` of the z that is computed.
    """
    features, eps = int(node.attrs["features"]), float(node.attrs["eps"])
    if not eps > 1e-100:
        return None
    centre, radius = (part.reshape(-1, features) for part in centred(reach)[:2])
    terms = ball.up(2 * ball.gamma(features + 16))
    z = centre - centre.mean(axis=-1, keepdims=True) if node.attrs["centred"] else centre
    # Squares below the normal range are those of radii below 1e-150.
    far = np.sqrt(np.square(radius).sum(axis=-1, keepdims=True)) + np.sqrt(features) * 1e-150
    far = far + np.sqrt(features) * terms * np.abs(centre).max(axis=-1, keepdims=True)
    square = np.square(z).mean(axis=-1, keepdims=True)
    value = z / np.sqrt(square + eps)
    least = np.maximum(np.sqrt(features * square) * (1 - 1e-9) - far, 0.0)
    error = (far / np.sqrt(np.square(least) / features + eps) + terms * np.sqrt(features)) * (1 + 1e-9) + _TINY
    around = _around(value, np.broadcast_to(error, value.shape))
    return Reach(around.lo.reshape(node.shape), around.hi.reshape(node.shape))


def within(outer: Reach, inner: Reach | None) -> Reach:
    """What two enclosures of the same values have in common."""
    if inner is None:
        return outer
    return Reach(np.maximum(outer.lo, inner.lo), np.minimum(outer.hi, inner.hi))


def _around(centre: Array, error: Array) -> Reach:
    return Reach(np.nextafter(centre - error, -np.inf), np.nextafter(centre + error, np.inf))
