"""Certificates of tests/soundness/certified.py that were changed, with the line that fails."""

import re
from collections.abc import Callable
from typing import Any

from tests.soundness.tampering import Document, both, put, scaled


def gains(change: str) -> Callable[[Document], None]:
    """Every gain and the bound, all by the same factor."""

    def tamper(document: Document) -> None:
        for name in document["facts"]:
            scaled("facts", name, "gain", by=change)(document)
        document["upper"] = document["facts"]["linear_2"]["gain"]

    return tamper


def output_gain(value: Any) -> Callable[[Document], None]:
    return both(put("facts", "linear_2", "gain", value=value), put("upper", value=value))


def swap_nodes(document: Document) -> None:
    document["nodes"][1:3] = document["nodes"][2:0:-1]


def add_node(document: Document) -> None:
    document["nodes"].append({**document["nodes"][-1], "name": "linear_3", "inputs": ["linear_2"]})


def swap_ends(document: Document) -> None:
    region = document["regions"][0]
    region["entry"], region["exit"] = region["exit"], region["entry"]


BATCH_NORM = "_native_batch_norm_legit_no_training.1"
FOLDED, BLOCK = f"x → {BATCH_NORM} by folded", "max_pool2d → linear_2 by multipliers"
VALUES = ("witnesses", BLOCK, "values", 0)

EITHER_NORM: list[tuple[Callable[[Document], None], str]] = [
    # the bound and the facts
    (scaled("upper", by="0.999"), r"upper: gain .* is what can be proved"),
    (scaled("facts", "linear_2", "gain", by="0.999"), r"facts\.linear_2: .* is what can be proved"),
    (both(scaled("upper", by="0.999"), scaled("facts", "linear_2", "gain", by="0.999")), r"facts\.linear_2: "),
    (gains("0.9999"), r"facts\.x: gain .* is what can be proved"),
    (gains("1.0001"), r"facts\.x: gain .* no proof's"),
    (output_gain("1e300"), r"facts\.linear_2: gain 1e300 is claimed, which is no proof's"),
    (output_gain("1e+999999999"), r"facts\.linear_2: .* no proof's"),
    (output_gain("0"), r"facts\.linear_2: "),
    (output_gain("1e-999999999"), r"facts\.linear_2: "),
    *[(output_gain(text), r"upper: ") for text in ("nan", "inf", "-1.0e+0", " 1.0e+0", "٣.0e+0", 1.0, None)],
    (output_gain("1.0\n"), r"facts\.linear_2: .* is no bound"),
    (put("facts", "gelu", "hi", value=0.01), r"facts\.gelu: values in"),
    (put("facts", "relu", "lo", value=0.01), r"facts\.relu: values in"),
    (put("facts", "relu", "hi", value=float("nan")), r"no strict JSON: NaN"),
    (put("facts", "relu", "lo", value=float("inf")), r"no strict JSON: Infinity"),
    (put("facts", "relu", "lo", value="-inf"), r"facts\.relu\.lo"),
    (put("facts", "relu", "hi", value=10**400), r"no strict JSON: 10+ is beyond the float range"),
    (lambda document: document["facts"].pop("gelu"), r"facts: not those of the graph's nodes: \['gelu'\]"),
    (put("facts", "gelu", "size", value="1.0"), r"facts\.gelu: size 1\.0 is claimed"),
    (put("facts", "gelu", "size", value=float("inf")), r"no strict JSON: Infinity"),
    (put("facts", "gelu", "size", value="nan"), r"facts\.gelu\.size"),
    (lambda document: document["facts"]["gelu"].pop("size"), r"facts\.gelu: 'size' is a required property"),
    (put("facts", "more", value={"gain": "1", "size": None, "lo": 0, "hi": 1}), r"facts: .*more"),
    # the graph
    (lambda document: document["nodes"].pop(), r"nodes\.linear_2: in the network, not in the certificate"),
    (add_node, r"nodes\.linear_3: in the certificate, not in the network"),
    (lambda document: document["nodes"].append(document["nodes"][0]), r"nodes: repeated"),
    (swap_nodes, r"nodes: repeated, or in another order"),
    (put("nodes", 1, "op", value="linear"), r"nodes\.conv2d: .*'op': 'linear'"),
    (put("nodes", 1, "inputs", value=["relu"]), r"nodes\.conv2d: .*inputs"),
    (put("nodes", 1, "shape", value=[1, 3, 5, 5]), r"nodes\.conv2d: .*shape"),
    (put("nodes", 1, "attrs", "padding", value=[0, 0]), r"nodes\.conv2d: .*attrs"),
    (put("nodes", 1, "consts", "weight", value="0" * 64), r"nodes\.conv2d: .*consts"),
    (put("nodes", 1, "path", value="head"), r"nodes\.conv2d: .*path"),
    (put("nodes", 8, "attrs", "function", value="relu"), r"nodes\.gelu: .*attrs"),
    (put("weights_sha256", "head.weight", value="0" * 64), r"weights_sha256\.head\.weight: "),
    (lambda document: document["weights_sha256"].pop("head.bias"), r"weights_sha256\.head\.bias: in the network"),
    (put("fixed_sha256", "y", value="0" * 64), r"fixed_sha256\.y: in the certificate"),
    # the claim
    (put("claim", "norm", value="l1"), r"claim\.norm"),
    (put("claim", "domain", value="everywhere"), r"facts\.x: values in"),
    (put("claim", "domain", value="box:0,2"), r"facts\.x: values in"),
    (put("claim", "domain", value="box:0,1+1/10"), r"facts\.x: values in"),
    (put("claim", "domain", value="box:1,0"), r"claim\.domain: 'box:1,0' is no domain"),
    (put("claim", "domain", value="box:0,2/2"), r"claim\.domain: 'box:0,2/2' is no domain"),
    (put("claim", "domain", value="box:0,1/0"), r"domain: 'box:0,1/0' does not match"),
    (put("claim", "domain", value="box:0,1e999999999"), r"claim\.domain: "),
    (put("claim", "domain", value="box:٠,1"), r"claim\.domain: "),
    (put("claim", "source", value="y"), r"claim\.source: "),
    (put("claim", "output", value="features"), r"claim\.output: "),
    (put("claim", "shape", value=[1, 2, 7, 7]), r"claim\.shape: "),
    (put("claim", "shape", value=[True, 2, 6, 6]), r"claim\.shape\[0\]"),
    (put("claim", "arithmetic", value="float32"), r"claim\.arithmetic"),
    (put("claim", "module", value="stem"), r"claim\.module: "),
    (put("claim", "module", value="embedding"), r"claim\.module: "),
    (put("claim", "through", value="token-l2"), r"claim\.through: "),
    (lambda document: document["claim"].pop("through"), r"claim: 'through' is a required property"),
    (put("claim", "arithmetik", value="real"), r"arithmetik"),
    # the regions
    (swap_ends, r"regions: linear_2 → max_pool2d: these nodes cannot be bounded as a whole"),
    (put("regions", 0, "entry", value="x"), r"facts\.linear_2: gain .* is what can be proved"),
    (put("regions", 0, "entry", value="gelu"), r"regions: gelu → linear_2: these nodes cannot"),
    (put("regions", 0, "entry", value="linear_2"), r"regions: linear_2 → linear_2: these nodes cannot"),
    (put("regions", 0, "exit", value="nowhere"), r"regions: .* unknown node"),
    (put("regions", 0, "method", value="magic"), r"regions\["),
    (lambda document: document["regions"].append(document["regions"][0]), r"regions: the same one stands there twice"),
    (lambda document: document["regions"].clear(), r"facts\..*: gain"),
    # the file
    (put("schema_version", value=2), r"schema_version 2"),
    (put("kind", value="result"), r"its kind is 'result'"),
    (put("more", value=1), r"more"),
    (lambda document: document.pop("witnesses"), r"witnesses"),
]  # fmt: skip

IN_L2: list[tuple[Callable[[Document], None], str]] = [
    (put("claim", "norm", value="linf"), r"facts\.conv2d: "),
    (put("claim", "domain", value="box:0,1/2"), r"facts\.gelu: .* no proof's"),
    (lambda document: document["witnesses"].pop("linear"), r"witnesses: there is none for linear"),
    (lambda document: document["witnesses"].pop(FOLDED), rf"witnesses: there is none for {re.escape(FOLDED)}"),
    (scaled("witnesses", "linear", "shift", by="0.5"), r"facts\.linear: "),
    (scaled("witnesses", "conv2d", "shift", by="0.5"), r"facts\.conv2d: "),
    (scaled("witnesses", "conv2d", "shift", by="2"), r"facts\.conv2d: "),
    (put("witnesses", "linear", "shift", value=1e300), r"witnesses: the one for linear proves nothing"),
    (put("witnesses", "linear", "shift", value=-1.0), r"witnesses\.linear"),
    (put("witnesses", "linear", "shift", value=float("nan")), r"no strict JSON"),
    (put("witnesses", "linear", "shift", value="nan"), r"witnesses\.linear"),
    (put("witnesses", "linear", "shift", value=10**400), r"no strict JSON: 10+ is beyond"),
    (put("witnesses", "linear", value=[]), r"witnesses\.linear"),
    (put("witnesses", "linear", value={"values": [[1]], "square": 1, "cushion": 1}), r"witnesses: malformed"),
    (put("witnesses", "conv2d", value={"shift": 1.0}), r"witnesses: the one for conv2d proves nothing"),
    (put("witnesses", "conv2d", value={"method": "grid", "grid": [6, 2], "shift": 100.0}), r"the one for conv2d"),
    (put("witnesses", "conv2d", value={"method": "grid", "grid": [10**9] * 2, "shift": 1.0}), r"the one for conv2d"),
    (put("witnesses", BLOCK, "values", value=[]), r"witnesses: the one for max_pool2d"),
    (put(*VALUES, value=[1.0]), r"witnesses: the one for max_pool2d"),
    (put(*VALUES, value=[1e99] * 12), r"witnesses: the one for max_pool2d"),
    (put(*VALUES, 0, value=0.0), r"witnesses: the one for max_pool2d"),
    (put(*VALUES, 0, value=-1.0), r"witnesses"),
    (put(*VALUES, 0, value=10**400), r"no strict JSON: 10+ is beyond"),
    (put(*VALUES, 0, value=[1.0]), r"witnesses"),
    (put(*VALUES, 0, value=float("nan")), r"no strict JSON"),
    (scaled("witnesses", BLOCK, "square", by="0.999"), r"witnesses: the one for max_pool2d"),
    (scaled("witnesses", BLOCK, "square", by="1.01"), r"facts\.linear_2: "),
    (put("witnesses", BLOCK, "square", value=-1.0), r"witnesses"),
    (put("witnesses", BLOCK, "cushion", value=0), r"witnesses"),
    (put("witnesses", BLOCK, "cushion", value=0.6), r"witnesses: the one for max_pool2d"),
    (put("witnesses", BLOCK, "cushion", value=1e-30), r"witnesses: the one for max_pool2d"),
    (put("regions", 0, "method", value="matrix"), r"facts\.linear_2: "),
    (put("regions", 0, "method", value="remainder"), r"facts\.linear_2: "),
]

IN_LINF: list[tuple[Callable[[Document], None], str]] = [
    (put("claim", "norm", value="l2"), r"witnesses: there is none for conv2d"),
    (put("regions", 0, "method", value="multipliers"), r"facts\.linear_2: "),
]

TAMPERINGS = [
    *[(("l2", "linf")[place % 2], *row) for place, row in enumerate(EITHER_NORM)],
    *[("l2", *row) for row in IN_L2],
    *[("linf", *row) for row in IN_LINF],
]
