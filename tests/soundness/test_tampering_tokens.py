"""A changed certificate of a small GPT, in token-rms on its vocabulary, is rejected with the line that fails."""

import contextlib
import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from lipcert import architectures
from lipcert.bounds import regions as regions_module
from lipcert.bounds.engine import bound
from lipcert.errors import InputError, LipcertError, RejectedError
from lipcert.graph.capture import capture, trace
from lipcert.graph.graph import Graph
from lipcert.norms import ball
from tests.soundness.tampering import Document, both, put, scaled, verify

IDS = torch.tensor([[1, 2, 3, 4]])
GPT = {
    "vocabulary": 6, "context": 4, "width": 8, "layers": 1, "heads": 2, "norm": "rms", "bias": True,
    "residual": "plain", "activation": "relu",
}  # fmt: skip
HEADS, BRANCH = "rms_norm → linear_3 by attention", "rms_norm_1 → linear_5 by midrad"


def gpt(seed: int = 0) -> nn.Module:
    model = architectures.build("gpt", GPT).eval()
    generator = torch.Generator().manual_seed(seed)
    for part in model.parameters():
        part.data = 0.5 * torch.randn(part.shape, generator=generator)
    return model


def graph_of(model: nn.Module) -> Graph:
    return trace(capture(model, (IDS,)), (IDS,), source="embedding")


@cache
def original() -> Graph:
    return graph_of(gpt())


@cache
def written() -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions_module, "_DESCENT", 0)  # as in an MLP with thousands of hidden features
        found = bound(gpt(), IDS, norm="token-rms", seconds=0.1)
    return json.dumps(found.certificate, allow_nan=False)


def document_of() -> Document:
    document: Document = json.loads(written())
    return document


def gains(change: str) -> Callable[[Document], None]:
    """Every gain and the bound, all by the same factor."""
    names = list(document_of()["facts"])
    return both(scaled("upper", by=change), *(scaled("facts", name, "gain", by=change) for name in names))


def swapped(*names: str) -> Callable[[Document], None]:
    def tamper(document: Document) -> None:
        kept = document["witnesses"]
        kept[names[0]], kept[names[1]] = kept[names[1]], kept[names[0]]

    return tamper


def appended(**region: str) -> Callable[[Document], None]:
    return lambda document: document["regions"].append(region)


def in_region(*keys: str | int, value: object, method: str = "attention") -> Callable[[Document], None]:
    def tamper(document: Document) -> None:
        place = [region["method"] for region in document["regions"]].index(method)
        put("regions", place, *keys, value=value)(document)

    return tamper


def shift(name: str) -> tuple[str, str, str]:
    return "witnesses", f"{HEADS}, {name}", "shift"


DIAGONAL = ("witnesses", BRANCH, "values", 0)

TAMPERINGS: list[tuple[Callable[[Document], None], str]] = [
    # sizes
    *[(scaled("facts", name, "size", by="0.999"), rf"facts\.{name}: size .* is claimed")
      for name in ("embedding", "rms_norm", "linear", "scaled_dot_product_attention", "linear_3", "linear_5")],
    (put("facts", "embedding", "size", value="0"), r"facts\.embedding: size 0 is claimed"),
    (put("facts", "linear_3", "size", value="1e-999999999"), r"facts\.linear_3: "),
    *[(put("facts", "linear_3", "size", value=wrong), r"facts\.linear_3\.size")
      for wrong in ("nan", "inf", "-1.0", 1.0, [], " 1", "")],
    (put("facts", "linear_3", "size", value=float("nan")), r"no strict JSON: NaN"),
    (lambda document: document["facts"]["linear_3"].pop("size"), r"facts\.linear_3: 'size' is a required"),
    (put("facts", "embedding", "hi", value=0.1), r"facts\.embedding: values in"),
    (put("facts", "rms_norm", "hi", value=2.0), r"facts\.rms_norm: values in"),
    # gains
    (gains("0.9999"), r"facts\.embedding: gain .* is what can be proved"),
    (gains("1.0001"), r"facts\.embedding: gain .* no proof's"),
    (scaled("facts", "linear_3", "gain", by="0.999"), r"facts\.linear_3: gain"),
    (scaled("facts", "linear_5", "gain", by="0.999"), r"facts\.linear_5: gain"),
    (scaled("upper", by="0.999"), r"upper: "),
    # the claim
    (put("claim", "norm", value="token-l2"), r"upper: "),
    (put("claim", "norm", value="l2"), r"claim\.through: "),
    (put("claim", "norm", value="linf"), r"claim\.through: "),
    (put("claim", "through", value="token-l2"), r"claim\.through: "),
    (both(put("claim", "norm", value="l2"), put("claim", "through", value="token-l2")), r"upper: "),
    (put("claim", "module", value=""), r"claim\.module: "),
    (put("claim", "module", value="blocks.0"), r"claim\.module: "),
    (put("claim", "shape", value=[1, 5, 8]), r"claim\.shape: "),
    (put("claim", "domain", value="vocabulary+1/10"), r"facts\.embedding: size"),
    (put("claim", "domain", value="vocabulary+0"), r"claim\.domain: .* is no domain"),
    (put("claim", "domain", value="everywhere"), r"facts\.embedding: size"),
    (put("claim", "domain", value="box:-9,9"), r"facts\.embedding: size"),
    # the graph
    (put("nodes", -1, "op", value="linear"), r"nodes\."),
    (put("fixed_sha256", "ids", value="0" * 64), r"fixed_sha256\.ids"),
    # the regions
    (lambda document: document["regions"].clear(), r"facts\.linear_3: "),
    (in_region("entry", value="embedding"), r"facts\.linear_3: "),
    (in_region("entry", value="linear"), r"regions: linear → linear_3: these nodes cannot"),
    (in_region("exit", value="scaled_dot_product_attention"), r"witnesses: there is none for|facts\.linear_3: "),
    (in_region("exit", value="mul_4"), r"facts\.linear_3: "),
    *[(in_region("method", value=method), r"facts\.linear_3: ")
      for method in ("multipliers", "midrad", "matrix", "folded", "remainder")],
    (in_region("method", method="midrad", value="multipliers"), r"witnesses: there is none for"),
    (in_region("method", method="midrad", value="matrix"), r"facts\.linear_5: "),
    (appended(entry="rms_norm_1", exit="linear_5", method="multipliers"), r"witnesses: there is none for"),
    (appended(entry="rms_norm", exit="linear_3", method="attention"), r"regions: the same one stands there twice"),
    # the witnesses of attention
    *[(scaled(*shift(name), by=by), r"facts\.linear_3: |witnesses: the one for")
      for name in ("values of head 0", "logits of head 0", "outputs of all heads") for by in ("0.5", "1.5", "1e9")],
    (put(*shift("logits of head 0"), value=0.0), r"witnesses: the one for|facts\.linear_3: "),
    (put(*shift("logits of head 0"), value=-1.0), r"witnesses\["),
    (put(*shift("logits of head 0"), value=float("nan")), r"no strict JSON"),
    (put(*shift("logits of head 0"), value=float("inf")), r"no strict JSON"),
    (put(*shift("logits of head 0"), value=10**400), r"no strict JSON: 10+ is beyond"),
    (lambda document: document["witnesses"].pop(f"{HEADS}, logits of head 1, keys"), r"witnesses: there is none for"),
    (lambda document: document["witnesses"].pop(f"{HEADS}, output of head 0"), r"witnesses: there is none for"),
    (put("witnesses", f"{HEADS}, logits of head 0", value={"values": [[1.0]]}), r"witnesses"),
    (swapped(f"{HEADS}, values of head 0", f"{HEADS}, values of head 1"), r"facts\.linear_3: |witnesses: the one for"),
    (swapped(f"{HEADS}, logits of head 0", f"{HEADS}, logits of head 1"), r"facts\.linear_3: |witnesses: the one for"),
    # the witnesses of midrad
    *[(put(*DIAGONAL, 0, value=wrong), r"facts\.linear_5: ") for wrong in (1e-200, 1e200, 1e20)],
    *[(put(*DIAGONAL, 0, value=wrong), r"witnesses\[") for wrong in (0.0, -1.0)],
    (put(*DIAGONAL, 0, value=1e-20), r"facts\.linear_5: |witnesses: the one for"),
    (put(*DIAGONAL, 0, value=float("nan")), r"no strict JSON"),
    (put(*DIAGONAL, 0, value="1.0"), r"witnesses"),
    (put(*DIAGONAL, value=[1.0]), r"facts\.linear_5: |witnesses: malformed"),
    (put(*DIAGONAL, value=[]), r"facts\.linear_5: |witnesses"),
    (put(*DIAGONAL[:3], value=[]), r"witnesses"),
    (lambda document: document["witnesses"].pop(BRANCH), r"witnesses: there is none for"),
    (scaled("witnesses", f"{BRANCH}, mean slope", "shift", by="0.5"), r"facts\.linear_5: |witnesses: the one for"),
    (swapped(f"{BRANCH}, mean slope", f"{BRANCH}, before"), r"facts\.linear_5: |witnesses: the one for"),
]  # fmt: skip


def test_the_certificate_of_a_gpt_is_proved_again(tmp_path: Path) -> None:
    document = document_of()
    assert [region["method"] for region in document["regions"]] == ["attention", "midrad", "matrix"]
    assert ball.to_text(verify(document, tmp_path, original(), "")) == ball.to_text(ball.from_text(document["upper"]))


@pytest.mark.parametrize(("tamper", "line"), TAMPERINGS)
def test_a_changed_certificate_of_a_gpt_is_rejected_with_the_line(
    tamper: Callable[[Document], None], line: str, tmp_path: Path
) -> None:
    document = document_of()
    tamper(document)
    assert json.dumps(document) != written()
    with pytest.raises((RejectedError, InputError)) as rejected:
        verify(document, tmp_path, original(), "")
    assert re.search(line, rejected.value.message)


def changes() -> Iterator[tuple[str, Document]]:
    """Every witness at another shift, and every two of attention swapped."""
    document, names = document_of(), [name for name in document_of()["witnesses"] if name != BRANCH]
    for place, name in enumerate(names):
        for by in ("0.25", "0.9", "1.1", "4"):
            yield name, _changed(scaled("witnesses", name, "shift", by=by), document)
        yield name, _changed(swapped(name, names[place - 1]), document)


def _changed(tamper: Callable[[Document], None], document: Document) -> Document:
    changed = copy.deepcopy(document)
    tamper(changed)
    return changed


@pytest.mark.slow
def test_no_change_of_a_witness_proves_less(tmp_path: Path) -> None:
    least = ball.up(ball.from_text(document_of()["upper"]))
    for _, changed in changes():
        with contextlib.suppress(LipcertError):
            assert ball.up(verify(changed, tmp_path, original(), "")) >= least


def test_the_certificate_of_another_gpt_is_rejected(tmp_path: Path) -> None:
    other = gpt()
    with torch.no_grad():
        other.embedding.weight[2, 3] += 1e-6
    with pytest.raises(RejectedError, match=r"weights_sha256\.embedding\.weight: "):
        verify(document_of(), tmp_path, graph_of(other), "")


def test_sizes_that_remain_true_may_be_accepted(tmp_path: Path) -> None:
    document = document_of()
    put("facts", "linear_3", "size", value=None)(document)
    scaled("facts", "embedding", "size", by="2")(document)
    appended(entry="embedding", exit="rms_norm", method="attention")(document)  # proves nothing, claims nothing
    assert ball.to_text(verify(document, tmp_path, original(), "")) == ball.to_text(ball.from_text(document["upper"]))
