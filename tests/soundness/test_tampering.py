"""A certificate that was changed is rejected with the line that fails."""

import contextlib
import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lipcert.bounds.engine import bound
from lipcert.errors import InputError, LipcertError, RejectedError
from lipcert.graph.capture import capture, trace
from lipcert.norms import ball
from lipcert.rules.domain import Box
from lipcert.store.schema import read_json
from tests.soundness.certified import document_of, original, written
from tests.soundness.tampering import Document, put, verify
from tests.soundness.tampering_rows import TAMPERINGS, gains


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_certificate_as_it_was_written_is_proved_again(norm: str, tmp_path: Path) -> None:
    document = document_of(norm)
    assert {step["method"] for step in document["regions"]} == (
        {"folded", "multipliers"} if norm == "l2" else {"remainder"}
    )
    assert ball.to_text(verify(document, tmp_path, original(), "logits")) == ball.to_text(
        ball.from_text(document["upper"])
    )


@pytest.mark.parametrize(("norm", "tamper", "line"), TAMPERINGS)
def test_a_changed_certificate_is_rejected_with_the_line(
    norm: str, tamper: Callable[[Document], None], line: str, tmp_path: Path
) -> None:
    document = copy.deepcopy(document_of(norm))
    tamper(document)
    assert json.dumps(document) != written(norm)
    with pytest.raises((RejectedError, InputError)) as rejected:
        verify(document, tmp_path, original(), "logits")
    assert re.search(line, rejected.value.message)


def test_repeated_keys_in_the_file_are_rejected(tmp_path: Path) -> None:
    text = written("l2")
    path = tmp_path / "certificate.json"
    for first in ('"upper": "1e-9", ', '"claim": {}, '):
        path.write_text("{" + first + text[1:])
        with pytest.raises(InputError, match="stands twice"):
            read_json(path, "certificate")


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_file_is_rejected(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    path.write_text(written("l2")[:keep])
    with pytest.raises(InputError):
        read_json(path, "certificate")


def test_what_remains_true_may_be_accepted(tmp_path: Path) -> None:
    """A looser claim, or one on a smaller domain, follows from what is proved."""
    document = document_of("l2")
    gains("1.000001")(document)
    document["facts"]["relu"]["hi"] = None
    document["witnesses"]["unused"] = {"shift": 1.0}
    assert verify(document, tmp_path, original(), "logits") > ball.from_text(document_of("l2")["upper"])

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
            assert ball.up(verify(changed, tmp_path, original(), "logits")) >= ball.up(
                ball.from_text(document["upper"])
            )


def _leaves(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, part in items for leaf in _leaves(part, (*place, key))]
    return [place]
