"""Generated nodes of every core operation, with enclosures of their inputs: a strategy for each key of RULES."""

from collections.abc import Callable

from tests.soundness.rule_cases.drawn import Case, Draw
from tests.soundness.rule_cases.linear import add, centre, conv, gather, linear, mix, reshape, scale, window_sum
from tests.soundness.rule_cases.nonlinear import (
    along_axis,
    attention,
    entrywise,
    extremum,
    matmul,
    normalise,
    product,
    window_max,
)

CASES: dict[str, Callable[[Draw], Case]] = {
    "attention": attention,
    "linear": linear,
    "conv": conv,
    "scale": scale,
    "reshape": reshape,
    "gather": gather,
    "mix": mix,
    "centre": centre,
    "window_sum": window_sum,
    "window_max": window_max,
    "sum": add,
    "product": product,
    "matmul": matmul,
    "extremum": extremum,
    "entrywise": entrywise,
    "normalise": normalise,
    "softmax": along_axis("softmax"),
    "log_softmax": along_axis("log_softmax"),
    "logsumexp": along_axis("logsumexp"),
}
