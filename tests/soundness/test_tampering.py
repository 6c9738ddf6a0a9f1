"""A certificate that was changed, or that is about another network, is rejected with the line that fails."""

import contextlib
import copy
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from flint import arb
from torch import Tensor, nn

from lipcert.bounds.engine import bound
from lipcert.certificate.check import check
from lipcert.errors import InputError, LipcertError, RejectedError
from lipcert.graph.capture import capture, trace
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from lipcert.rules.domain import Box
from lipcert.store.schema import read_json

Document = dict[str, Any]
SHAPE = (1, 2, 6, 6)


class Network(nn.Module):
    """Convolution, batch norm, pooling, and a residual block with a function that bends on the domain."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.pool = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.MaxPool2d(2)
        self.left, self.right, self.head = nn.Linear(27, 12), nn.Linear(12, 27), nn.Linear(27, 4)
        self.act: Callable[[Tensor], Tensor] = nn.functional.gelu

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.pool(torch.relu(self.norm(self.stem(x)))).flatten(1)
        h = h + self.right(self.act(self.left(h)))
        return {"features": h, "logits": self.head(h)}


def network() -> Network:
    torch.manual_seed(0)
    model = Network().eval()
    model.norm.running_var.uniform_(0.5, 2.0)
    return model


def graph_of(model: nn.Module, shape: tuple[int, ...] = SHAPE, output: str = "logits") -> Graph:
    example = torch.zeros(shape)
    return trace(capture(model, (example,)), (example,), output=output)


@cache
def original() -> Graph:
    return graph_of(network())


@cache
def _written(norm: str) -> str:
    domain = Box(0, 1)
    done = bound(network(), torch.zeros(SHAPE), norm=norm, domain=domain, output="logits", seconds=0.2)
    return json.dumps(done.certificate, allow_nan=False)


def document_of(norm: str) -> Document:
    document: Document = json.loads(_written(norm))
    return document


def verify(document: Document, folder: Path, graph: Graph | None = None, output: str = "logits") -> arb:
    """What `lipcert verify` does with a certificate: read the file, and check it against the network."""
    path = folder / "certificate.json"
    path.write_text(json.dumps(document))
    return check(read_json(path, "certificate"), graph or original(), output)


def put(*keys: str | int, value: Any) -> Callable[[Document], None]:
    """A tampering that sets one value."""

    def tamper(document: Document) -> None:
        place: Any = document
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return tamper


def scaled(*keys: str | int, by: str) -> Callable[[Document], None]:
    """A tampering that multiplies a decimal, or a float."""

    def tamper(document: Document) -> None:
        old: Any = document
        for key in keys:
            old = old[key]
        new = ball.to_text(ball.from_text(old) * arb(by)) if isinstance(old, str) else old * float(by)
        put(*keys, value=new)(document)

    return tamper


def both(*tampers: Callable[[Document], None]) -> Callable[[Document], None]:
    def tamper(document: Document) -> None:
        for one in tampers:
            one(document)

    return tamper


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
    (put("facts", "relu", "hi", value=10**400), r"facts\.relu: "),
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
    (put("claim", "domain", value="box:0,1/0"), r"claim\.domain: 'box:0,1/0' is no domain"),
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
    (put("witnesses", "linear", "shift", value=10**400), r"witnesses: "),
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
    (put(*VALUES, 0, value=10**400), r"witnesses: malformed"),
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


def other_weight(model: Network) -> None:
    with torch.no_grad():
        model.left.weight[3, 4] = torch.nextafter(model.left.weight[3, 4], torch.tensor(1.0))


def other_buffer(model: Network) -> None:
    model.norm.running_mean[0] += 1e-6


def other_sign(model: Network) -> None:
    with torch.no_grad():
        model.head.bias[0] *= -1


def other_eps(model: Network) -> None:
    model.norm.eps = 1e-4


def other_activation(model: Network) -> None:
    model.act = torch.relu


def other_form_of_the_activation(model: Network) -> None:
    model.act = lambda x: nn.functional.gelu(x, approximate="tanh")


def other_padding(model: Network) -> None:
    model.stem.padding_mode = "circular"
    model.stem._reversed_padding_repeated_twice = [1, 1, 1, 1]


def one_layer_more(model: Network) -> None:
    model.head = nn.Sequential(model.head, nn.Softplus()).eval()  # type: ignore[assignment]


def same_weights_in_another_order(model: Network) -> None:
    model.left, model.right = model.right, model.left
    model.left.weight.data, model.right.weight.data = model.left.weight.data.T, model.right.weight.data.T
    model.left.bias, model.right.bias = model.right.bias, model.left.bias


def other_type(model: Network) -> None:
    model.head.bias.data = model.head.bias.data.double().float() + 0.0
    model.norm.num_batches_tracked = torch.tensor(0, dtype=torch.int32)


CHANGES: list[tuple[Callable[[Network], None], str]] = [
    (other_weight, r"weights_sha256\.left\.weight: "),
    (other_buffer, r"weights_sha256\.norm\.running_mean: "),
    (other_sign, r"weights_sha256\.head\.bias: "),
    (other_eps, rf"nodes\.{BATCH_NORM}: .*consts"),
    (other_activation, r"nodes\."),
    (other_form_of_the_activation, r"nodes\.gelu: .*gelu_tanh"),
    (other_padding, r"nodes\."),
    (one_layer_more, r"weights_sha256\.head\.0\.bias: "),
    (same_weights_in_another_order, r"weights_sha256\.left\.weight: "),
    (other_type, r"weights_sha256\.norm\.num_batches_tracked: "),
]


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_certificate_as_it_was_written_is_proved_again(norm: str, tmp_path: Path) -> None:
    document = document_of(norm)
    assert {step["method"] for step in document["regions"]} == (
        {"folded", "multipliers"} if norm == "l2" else {"remainder"}
    )
    assert ball.to_text(verify(document, tmp_path)) == ball.to_text(ball.from_text(document["upper"]))


@pytest.mark.parametrize(("norm", "tamper", "line"), TAMPERINGS)
def test_a_changed_certificate_is_rejected_with_the_line(
    norm: str, tamper: Callable[[Document], None], line: str, tmp_path: Path
) -> None:
    document = copy.deepcopy(document_of(norm))
    tamper(document)
    assert json.dumps(document) != _written(norm)
    with pytest.raises((RejectedError, InputError)) as rejected:
        verify(document, tmp_path)
    assert re.search(line, rejected.value.message)


@pytest.mark.parametrize(("change", "line"), CHANGES)
def test_the_certificate_of_another_network_is_rejected(
    change: Callable[[Network], None], line: str, tmp_path: Path
) -> None:
    model = network()
    change(model)
    with pytest.raises(RejectedError, match=line):
        verify(document_of("linf"), tmp_path, graph_of(model))


def test_another_output_or_input_of_the_network_is_rejected(tmp_path: Path) -> None:
    features = graph_of(network(), output="features")
    with pytest.raises(RejectedError, match=r"claim\.output"):
        verify(document_of("linf"), tmp_path, features, "features")
    with pytest.raises(RejectedError, match=r"nodes\.linear_2: in the certificate, not in the network"):
        verify(document_of("linf"), tmp_path, features)


def test_another_input_shape_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match=r"claim\.shape"):
        verify(document_of("linf"), tmp_path, graph_of(network(), (1, 2, 7, 7)))


def test_repeated_keys_in_the_file_are_rejected(tmp_path: Path) -> None:
    text = _written("l2")
    path = tmp_path / "certificate.json"
    for first in ('"upper": "1e-9", ', '"claim": {}, '):
        path.write_text("{" + first + text[1:])
        with pytest.raises(InputError, match="stands twice"):
            read_json(path, "certificate")


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_file_is_rejected(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    path.write_text(_written("l2")[:keep])
    with pytest.raises(InputError):
        read_json(path, "certificate")


def test_what_remains_true_may_be_accepted(tmp_path: Path) -> None:
    """A looser claim, or one on a smaller domain, follows from what is proved."""
    document = document_of("l2")
    gains("1.000001")(document)
    document["facts"]["relu"]["hi"] = None
    document["witnesses"]["unused"] = {"shift": 1.0}
    assert verify(document, tmp_path) > ball.from_text(document_of("l2")["upper"])

    model = nn.Sequential(nn.Linear(3, 2)).eval()
    example = torch.zeros(1, 3)
    linear: Document = json.loads(json.dumps(bound(model, example, domain=Box(0, 1), seconds=0.0).certificate))
    linear["claim"]["domain"] = "box:0,1/2"
    accepted = verify(linear, tmp_path, trace(capture(model, (example,)), (example,)), "")
    assert float(torch.linalg.matrix_norm(model[0].weight.detach().double(), 2)) <= ball.up(accepted)


def test_the_checker_fails_with_reasons_only(tmp_path: Path) -> None:
    """Whatever a value is replaced by: an error of ours, or a claim that is no smaller."""
    document, values = document_of("l2"), (None, -1, 0, 1e308, "", "x", [], {}, True)
    places = [place for place in _leaves(document) if place[0] in ("claim", "regions", "witnesses", "facts")]
    for number, place in enumerate(places):
        changed = copy.deepcopy(document)
        put(*place, value=values[number % len(values)])(changed)
        with contextlib.suppress(LipcertError):
            assert ball.up(verify(changed, tmp_path)) >= ball.up(ball.from_text(document["upper"]))


def _leaves(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, part in items for leaf in _leaves(part, (*place, key))]
    return [place]
