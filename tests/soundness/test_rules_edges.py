"""Where rules meet the ends of the float range, or parameters that nobody expects."""

import math

import numpy as np
import pytest
import torch

from lipcert.bounds.search import SearchProver
from lipcert.norms import ball
from lipcert.norms.norm import L2, LINF
from lipcert.rules.regions.region import Region
from lipcert.rules.regions.table import folded
from lipcert.rules.table import RULES
from lipcert.rules.types import Fact, Node, Reach


def normalised(eps: float, lo: float, hi: float) -> float | None:
    """The gain of an RMSNorm of one feature: x/√(x² + eps)."""
    attrs = {"features": 1, "eps": eps, "centred": False}
    node = Node("node", "normalise", ("x",), (1, 1), attrs)
    fact = Fact(ball.rational(1, 1), Reach(np.full((1, 1), lo), np.full((1, 1), hi)))
    found = RULES["normalise"].gain(node, L2, [fact], SearchProver(0.0))
    return None if found is None else ball.up(found)


@pytest.mark.parametrize(("lo", "hi"), [(1e-165, 1.0), (1.6e-162, 1.0), (-1.0, -3e-158), (0.0, 1.0)])
def test_inputs_whose_squares_underflow_count_as_0(lo: float, hi: float) -> None:
    assert normalised(0.0, lo, hi) is None


def test_inputs_whose_squares_overflow_are_lowered() -> None:
    found = normalised(0.0, 1e200, 2e200)  # the slope is 0, the bound 1e-200; as an overflow it would be 0
    assert found is not None
    assert found >= 1e-200
    assert normalised(0.0, 1e-100, 1.0) == pytest.approx(1e100)


def test_a_negative_eps_has_no_rule() -> None:
    # With eps = -0.9 on [1, 2] the slope at 1 is 0.9/0.1^1.5 = 28, far above 1/√0.1.
    assert normalised(-0.9, 1.0, 2.0) is None
    assert normalised(math.nan, 1.0, 2.0) is None


@pytest.mark.parametrize("op", ["linear", "scale", "product", "matmul"])
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_a_reach_that_overflows_is_unbounded_and_no_error(op: str) -> None:
    weight = {
        "linear": {"weight": torch.full((1, 2), 1e250, dtype=torch.float64)},
        "scale": {"factor": torch.tensor(1e250, dtype=torch.float64)},
    }.get(op, {})
    shape = (1, 2, 2) if op == "matmul" else (1, 2)
    reaches = [Reach(np.full(shape, 1e200), np.full(shape, 2e200))] * (2 if op in ("product", "matmul") else 1)
    node = Node("node", op, ("x", "y")[: len(reaches)], (1, 1) if op == "linear" else shape, {}, weight)
    found = RULES[op].reach(node, reaches)
    assert (found.lo <= 1.7976931348623157e308).all()
    assert (found.hi == math.inf).all()


def folding(factor: torch.Tensor, kernel: float) -> bool:
    attrs = {"size": [3], "stride": [1], "padding": [0], "dilation": [1], "groups": 1, "transposed": False,
             "output_padding": [0]}  # fmt: skip
    weight = torch.full((2, 1, 1), kernel, dtype=torch.float64)
    nodes = {
        "c": Node("c", "conv", ("x",), (1, 2, 3), attrs, {"weight": weight}),
        "s": Node("s", "scale", ("c",), (1, 2, 3), {}, {"factor": factor.double()}),
    }
    return folded(nodes, Region("x", "s", ("c", "s"))) is not None


def test_a_scaling_is_folded_where_it_is_one_a_channel_and_does_not_underflow() -> None:
    assert folding(torch.tensor([[2.0], [3.0]]), 1.0)
    assert folding(torch.tensor(2.0), 1.0)
    assert folding(torch.tensor([[0.0], [1.0]]), 1.0)
    assert not folding(torch.tensor([1.0, 2.0, 3.0]), 1.0)
    assert not folding(torch.tensor([[1e-30], [1.0]]) * 1e-30, 1e-280)


@pytest.mark.parametrize("norm", [L2, LINF], ids=lambda norm: norm.name)
def test_a_negative_divisor_of_an_average_counts_by_its_size(norm: object) -> None:
    consts = {"windows": torch.tensor([[0, 1], [1, -1]]), "divisor": torch.tensor([-1.0, -4.0])}
    node = Node("node", "window_sum", ("x",), (1, 2), {"size": 2}, consts)
    fact = Fact(ball.rational(1, 1), Reach(np.full((1, 2), -math.inf), np.full((1, 2), math.inf)))
    truth = 2.0 if norm is LINF else float(np.linalg.norm(np.array([[1.0, 1.0], [0.0, 0.25]]), 2))
    found = RULES["window_sum"].gain(node, norm, [fact], SearchProver(0.0))  # type: ignore[arg-type]
    assert found is not None
    assert truth <= ball.up(found)
