"""For every operation a node whose bound the attack all but attains, in both norms."""

import numpy as np
import torch
from torch import Tensor

from lipcert.rules.types import Reach
from tests.soundness.rule_cases.drawn import INF, Case, case


def known(*shape: int, lo: float = -INF, hi: float = INF) -> dict[str, Reach]:
    return {"x": Reach(np.full(shape, lo), np.full(shape, hi))}


def both(*shape: int, lo: float = -INF, hi: float = INF) -> dict[str, Reach]:
    return {name: Reach(np.full(shape, lo), np.full(shape, hi)) for name in ("x", "y")}


def spread_out(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


CONV = {
    "size": [4, 4],
    "stride": [1, 1],
    "padding": [1, 1],
    "dilation": [1, 1],
    "groups": 1,
    "transposed": False,
    "output_padding": [0, 0],
}

SHARP: dict[str, Case] = {
    "attention": case(
        "attention",
        {
            "q": Reach(np.full((1, 1, 1), -0.3), np.full((1, 1, 1), 0.3)),
            "k": Reach(np.full((1, 2, 1), -0.3), np.full((1, 2, 1), 0.3)),
            "v": Reach(np.full((1, 2, 1), -10.0), np.full((1, 2, 1), 10.0)),
        },
        (1, 1, 1),
        attrs={"scale": 1.0, "group": 1},
    ),
    "linear": case("linear", known(1, 6), (1, 4), consts={"weight": spread_out(4, 6)}),
    "conv": case("conv", known(1, 2, 4, 4), (1, 3, 4, 4), attrs=CONV, consts={"weight": spread_out(3, 2, 3, 3)}),
    "scale": case("scale", known(1, 5), (1, 5), consts={"factor": spread_out(5)}),
    "reshape": case("reshape", known(1, 2, 3), (1, 6), attrs={"from": [1, 2, 3]}),
    "gather": case(
        "gather", known(1, 3), (1, 4), attrs={"sizes": [3]}, consts={"index": torch.tensor([[0, 1, 1, -1]])}
    ),
    "mix": case(
        "mix",
        known(1, 4),
        (1, 4),
        attrs={"sizes": [4]},
        consts={
            "index": torch.tensor([[[0, 1, 2, 3]], [[2, 3, 0, 1]]]),
            "factor": torch.tensor([[[0.8, 0.6, 0.8, 0.6]], [[-0.6, -0.8, 0.6, 0.8]]], dtype=torch.float64),
        },
    ),
    "centre": case("centre", known(1, 2, 4), (1, 2, 4), attrs={"features": 4}),
    "window_sum": case(
        "window_sum",
        known(1, 4),
        (1, 2),
        attrs={"size": 4},
        consts={"windows": torch.tensor([[0, 1], [2, 3]]), "divisor": torch.tensor([2.0, 2.0])},
    ),
    "window_max": case(
        "window_max", known(1, 4), (1, 3), attrs={"size": 4}, consts={"windows": torch.tensor([[0, 1], [0, 2], [0, 3]])}
    ),
    "sum": case("sum", both(1, 3), (1, 3), attrs={"coefficients": [1.0, -2.5]}),
    "product": case("product", both(1, 3, lo=-1.0, hi=1.0), (1, 3)),
    "matmul": case("matmul", both(1, 2, 2, lo=0.0, hi=1.0), (1, 2, 2)),
    "extremum": case("extremum", both(1, 4), (1, 4), attrs={"kind": "max"}),
    "entrywise": case("entrywise", known(1, 2), (1, 2), attrs={"function": "gelu", "parameters": {}}),
    "normalise": case(
        "normalise", known(1, 3, 1), (1, 3, 1), spread=0.01, attrs={"features": 1, "eps": 0.01, "centred": False}
    ),
    "softmax": case("softmax", known(1, 2), (1, 2), attrs={"axis": -1, "length": 2}),
    "log_softmax": case("log_softmax", known(1, 4), (1, 4), attrs={"axis": -1, "length": 4}, spread=20.0),
    "logsumexp": case("logsumexp", known(1, 4), (1, 1), attrs={"axis": -1, "length": 4}, spread=20.0),
}
