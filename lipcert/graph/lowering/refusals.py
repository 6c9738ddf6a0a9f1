"""Why an exported operation has no lowering."""

import torch
from torch.fx import Node as FxNode

_JUMPS = frozenset((
    "eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf", "logical_and", "logical_or", "logical_not",
    "sign", "sgn", "heaviside", "round", "floor", "ceil", "trunc", "frac", "fmod", "remainder",
    "floor_divide", "argmax", "argmin", "argsort", "threshold", "hardshrink", "bucketize", "nonzero",
))  # fmt: skip
"""Functions that are not continuous."""

_RECURRENT = frozenset(
    ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
)


def why_not(fx: FxNode) -> str:
    """The reason in words, for an operation that is not in LOWER or cannot be folded."""
    name = str(fx.target).removeprefix("aten.").partition(".")[0]
    if name.startswith("_native_batch_norm_legit"):
        return "batch statistics (train mode): the output of one example depends on the others"
    if name in _RECURRENT:
        return "no rule for recurrent layers"
    if torch.Tag.nondeterministic_seeded in getattr(fx.target, "tags", ()):
        return "it is random (dropout in train mode?)"
    if name in _JUMPS or (name == "div" and fx.kwargs.get("rounding_mode")):
        return "it jumps, so it has no Lipschitz constant"
    return "no rule for this operation"
