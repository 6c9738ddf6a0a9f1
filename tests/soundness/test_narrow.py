"""Enclosures round a point hold what is computed with more digits, at the ends of their boxes and between."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lipcert.rules.table import RULES
from lipcert.rules.types import Node, Reach

Array = np.ndarray
Long = np.longdouble
SIZES = st.sampled_from([1e-6, 1e-2, 1.0, 30.0, 1e3])
WIDTHS = st.sampled_from([0.0, 1e-15, 1e-12, 1e-8])


def boxes(rng: np.random.Generator, shape: tuple[int, ...], size: float, width: float) -> Reach:
    """Round entries of this size, so wide relative to it."""
    centre = rng.normal(size=shape) * size
    radius = rng.uniform(size=shape) * width * size / 4
    return Reach(centre - radius, centre + radius)


def inside(rng: np.random.Generator, reach: Reach) -> Array:
    """A corner of the box, or some point of it."""
    share = rng.integers(0, 2, reach.lo.shape) if rng.random() < 0.7 else rng.uniform(size=reach.lo.shape)
    lo, hi = reach.lo.astype(Long), reach.hi.astype(Long)
    return np.asarray(np.clip(lo + share * (hi - lo), lo, hi))


def require_held(node: Node, reaches: list[Reach], truth: Callable[..., Array], rng: np.random.Generator) -> Reach:
    """Up to the rounding of the reference, which has 64 bits."""
    found = RULES[node.op].reach(node, reaches)
    slack = found.magnitude.astype(Long) * Long(2) ** -60
    for _ in range(30):
        value = truth(*(inside(rng, reach) for reach in reaches))
        assert ((found.lo - slack <= value) & (value <= found.hi + slack)).all()
    return found


def by_softmax(node: Node) -> Callable[..., Array]:
    def truth(q: Array, k: Array, v: Array) -> Array:
        repeat = node.attrs["group"]
        k, v = (np.repeat(part, repeat, axis=-3) for part in (k, v))
        bias = node.consts["bias"].numpy().astype(Long) if "bias" in node.consts else Long(0)
        logits = Long(node.attrs["scale"]) * (q @ k.swapaxes(-1, -2)) + bias
        if "filled" in node.consts:
            logits = np.where(node.consts["filled"].numpy(), bias, logits)
        if "keep" in node.consts:
            logits = np.where(node.consts["keep"].numpy(), logits, -np.inf)
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        return np.asarray((powers / powers.sum(-1, keepdims=True)) @ v)

    return truth


@settings(deadline=None, max_examples=200)
@given(
    seed=st.integers(0, 10**6), sizes=st.tuples(SIZES, SIZES, SIZES), widths=st.tuples(WIDTHS, WIDTHS, WIDTHS),
    form=st.sampled_from("pkbfg"),
)  # fmt: skip
def test_attention(seed: int, sizes: tuple[float, float, float], widths: tuple[float, float, float], form: str) -> None:
    rng = np.random.default_rng(seed)
    group, (heads, rows, keys, d, e) = (2 if form == "g" else 1), (2, 3, 5, 4, 3)
    consts = {}
    if form in "kf":
        consts["keep"] = torch.tensor(rng.random((rows, keys)) < 0.7) | (torch.arange(keys) == 0)
    if form in "bf":
        consts["bias"] = torch.tensor(rng.normal(size=(rows, keys)) * 5)
        consts["bias"][:, 1] = rng.choice([1.0, -1e4, -3.4e38])
    if form == "f":
        consts["filled"] = torch.tensor(rng.random((rows, keys)) < 0.3)
    node = Node(
        "a", "attention", ("q", "k", "v"), (1, heads * group, rows, e), {"scale": 0.5, "group": group}, consts, "", ""
    )
    shapes = (1, heads * group, rows, d), (1, heads, keys, d), (1, heads, keys, e)
    given_boxes = [boxes(rng, *each) for each in zip(shapes, sizes, widths, strict=True)]
    found = require_held(node, given_boxes, by_softmax(node), rng)
    if max(widths) <= 1e-12 and sizes[0] * sizes[1] <= 1:
        assert (found.hi - found.lo).max() <= 1e-10 * sizes[2]


@settings(deadline=None, max_examples=200)
@given(
    seed=st.integers(0, 10**6),
    size=SIZES,
    width=WIDTHS,
    is_centred=st.booleans(),
    eps=st.sampled_from([1e-12, 1e-5, 1]),
)
def test_normalisation(seed: int, size: float, width: float, is_centred: bool, eps: float) -> None:
    rng = np.random.default_rng(seed)
    node = Node("n", "normalise", ("x",), (1, 3, 6), {"features": 6, "centred": is_centred, "eps": eps}, {}, "", "")
    given_boxes = boxes(rng, (1, 3, 6), size, width)
    if rng.random() < 0.5:  # nearly constant rows, whose centring cancels
        given_boxes = Reach(given_boxes.lo * 1e-9 + size, given_boxes.hi * 1e-9 + size)

    def truth(x: Array) -> Array:
        z = x - x.mean(-1, keepdims=True) if is_centred else x
        return np.asarray(z / np.sqrt((z * z).mean(-1, keepdims=True) + Long(eps)))

    require_held(node, [given_boxes], truth, rng)


@given(seed=st.integers(0, 10**6), size=SIZES, width=WIDTHS)
def test_rows_of_a_linear_layer(seed: int, size: float, width: float) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(4, 6))
    consts = {"weight": torch.tensor(weight), "offset": torch.tensor(rng.normal(size=4))}
    node = Node("l", "linear", ("x",), (1, 3, 4), {}, consts, "", "")
    offset = consts["offset"].numpy().astype(Long)
    found = require_held(node, [boxes(rng, (1, 3, 6), size, width)], lambda x: x @ weight.T.astype(Long) + offset, rng)
    assert (found.hi - found.lo).max() <= 40 * (width + 1e-14) * (size + 1)


@pytest.mark.parametrize("least", [-3.4e38, -1e308, float(np.finfo(np.float64).min)])
def test_a_bias_may_be_a_parameter_and_a_mask_of_any_size(least: float) -> None:
    bias = torch.tensor([[0.0, least, 1.0]] * 2, dtype=torch.float64, requires_grad=True)
    node = Node("a", "attention", ("q", "k", "v"), (1, 1, 2, 3), {"scale": 0.5, "group": 1}, {"bias": bias}, "", "")
    rng = np.random.default_rng(0)
    given_boxes = [boxes(rng, shape, 1.0, 0.0) for shape in ((1, 1, 2, 4), (1, 1, 3, 4), (1, 1, 3, 3))]
    q, k, v = (reach.lo for reach in given_boxes)
    powers = np.exp(0.5 * (q @ k[:, :, [0, 2]].swapaxes(-1, -2)) + np.array([0.0, 1.0]))
    value = (powers / powers.sum(-1, keepdims=True)) @ v[:, :, [0, 2]]
    found = RULES["attention"].reach(node, given_boxes)
    assert (np.abs(found.lo - value) < 1e-12).all()
    assert (np.abs(found.hi - value) < 1e-12).all()
