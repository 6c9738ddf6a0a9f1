"""Every rule, in every norm, on generated nodes, against optimisation: no ratio above a gain, no value
outside a reach.
"""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from flint import arb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from lipcert.norms import ball
from lipcert.norms.conv import Conv
from lipcert.norms.norm import NORMS
from lipcert.norms.search import conv_norm, spectral_norm
from lipcert.rules.table import RULES
from lipcert.rules.types import Fact, Reach
from tests.soundness.attack import Box, Function, extremes, largest_ratio
from tests.soundness.rule_cases import CASES, SHARP, Case

GAINS = (1.0, 1.0, 0.25, 3.0)
ROUNDING = 1e-9


class Searching:
    """A prover that finds its witnesses, and keeps none."""

    def spectral(self, key: str, matrix: Float[np.ndarray, "m n"]) -> arb:
        return spectral_norm(matrix).upper

    def conv(self, key: str, conv: Conv) -> arb:
        return conv_norm(conv).upper


def as_function(case: Case) -> Function:
    """The node as a function of its distinct inputs."""
    names = list(case.reaches)

    def f(inputs: Sequence[Tensor]) -> Tensor:
        values = dict(zip(names, inputs, strict=True))
        return RULES[case.node.op].forward(case.node, [values[name] for name in case.node.inputs])

    return f


def boxes(case: Case) -> list[Box]:
    return [Box(torch.from_numpy(r.lo.copy()), torch.from_numpy(r.hi.copy())) for r in case.reaches.values()]


def proved_gain(case: Case, norm: str, gains: Sequence[float]) -> float | None:
    facts = {name: Fact(arb(g), reach) for (name, reach), g in zip(case.reaches.items(), gains, strict=True)}
    found = RULES[case.node.op].gain(case.node, NORMS[norm], [facts[name] for name in case.node.inputs], Searching())
    return None if found is None else ball.up(found)


def proved_reach(case: Case) -> Reach:
    return RULES[case.node.op].reach(case.node, [case.reaches[name] for name in case.node.inputs])


def check_gain(op: str, norm: str, data: st.DataObject) -> None:
    case = CASES[op](data.draw)
    gains = [data.draw(st.sampled_from(GAINS)) for _ in case.reaches]
    proved = proved_gain(case, norm, gains)
    if proved is not None:
        found = largest_ratio(
            as_function(case), boxes(case), norm, gains=gains, spread=case.spread, starts=8, rounds=1, steps=4
        )
        assert found <= proved * (1 + ROUNDING)


def check_reach(op: str, data: st.DataObject) -> None:
    case = CASES[op](data.draw)
    proved = proved_reach(case)
    values = extremes(as_function(case), boxes(case)).numpy()
    assert proved.lo.shape == case.node.shape == values.shape[1:]
    # The reach holds the real values; these are rounded, and torch's functions cancel: gelu(-20) gives -0.
    room = 4e-16 * np.abs(values) + (1e-14 if op == "entrywise" else 0.0)
    assert (values >= proved.lo - room).all()
    assert (values <= proved.hi + room).all()


QUICK = settings(max_examples=8, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=300, suppress_health_check=list(HealthCheck))
GRID = pytest.mark.parametrize("op", sorted(RULES))
BOTH = pytest.mark.parametrize("norm", sorted(NORMS))


def test_every_operation_has_a_row_in_the_grid() -> None:
    assert set(CASES) == set(SHARP) == set(RULES)


@GRID
@BOTH
@QUICK
@given(data=st.data())
def test_no_measured_ratio_exceeds_the_gain(op: str, norm: str, data: st.DataObject) -> None:
    check_gain(op, norm, data)


@GRID
@QUICK
@given(data=st.data())
def test_no_value_leaves_the_reach(op: str, data: st.DataObject) -> None:
    check_reach(op, data)


@pytest.mark.slow
@GRID
@BOTH
@LONG
@given(data=st.data())
def test_no_measured_ratio_exceeds_the_gain_in_many_more_cases(op: str, norm: str, data: st.DataObject) -> None:
    check_gain(op, norm, data)


@pytest.mark.slow
@GRID
@LONG
@given(data=st.data())
def test_no_value_leaves_the_reach_in_many_more_cases(op: str, data: st.DataObject) -> None:
    check_reach(op, data)


@GRID
@BOTH
def test_the_attack_reaches_the_gain_of_a_sharp_case(op: str, norm: str) -> None:
    case = SHARP[op]
    found = largest_ratio(as_function(case), boxes(case), norm, spread=case.spread, starts=40, steps=12)
    proved = proved_gain(case, norm, [1.0] * len(case.reaches))
    assert proved is not None
    assert 0.9 * proved <= found <= proved * (1 + ROUNDING)


LOOSE = {"normalise": 0.0, "softmax": 0.3, "log_softmax": 0.25, "logsumexp": 0.3, "matmul": 0.4}
"""The part of the reach that these rules, which are crude about values, leave to the function."""


@GRID
def test_the_attack_reaches_the_ends_of_a_bounded_reach(op: str) -> None:
    case = SHARP[op]
    bounded = {name: Reach(np.full(r.lo.shape, 0.25), np.full(r.lo.shape, 1.0)) for name, r in case.reaches.items()}
    case = Case(case.node, bounded)
    proved, values = proved_reach(case), extremes(as_function(case), boxes(case), starts=100).numpy()
    found = values.max(0) - values.min(0)
    assert (found >= LOOSE.get(op, 0.999) * (proved.hi - proved.lo) - 1e-12).all()
