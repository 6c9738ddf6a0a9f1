"""What the flags that several commands share say, and `lipcert ops` of a network of token ids."""

from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from lipcert.checkpoint.examples import Ids
from lipcert.cli.main import app
from lipcert.cli.options import read_domain, shapes
from lipcert.errors import UnsupportedError, UsageError
from lipcert.rules.domain import Box, Everywhere, Vocabulary


def test_shapes_and_token_ids() -> None:
    assert shapes([]) is None
    assert shapes(["1,28,28", "ids:256", "ids:2,8"]) == [(1, 28, 28), Ids((256,)), Ids((2, 8))]


@pytest.mark.parametrize("text", ["", "ids:", "ids", "idx:4", "1;2", "4.0", "ids:ids:4"])
def test_what_is_no_shape(text: str) -> None:
    with pytest.raises(UsageError, match="is no shape") as caught:
        shapes([text])
    assert "ids:256" in caught.value.hint


def test_domains() -> None:
    assert read_domain("", "") == Everywhere()
    assert read_domain("box:0,1", "8/255") == Box(0, 1, radius="8/255")
    assert read_domain("vocabulary", "") == Vocabulary()
    assert str(read_domain("vocabulary", "0.1")) == "vocabulary+1/10"
    with pytest.raises(UsageError, match="no room for a radius"):
        read_domain("everywhere", "1")
    with pytest.raises(UsageError, match="no domain"):
        read_domain("vocabularies", "")


@pytest.fixture
def program(tmp_path: Path) -> str:
    module = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 4), nn.ReLU(), nn.Hardshrink(), nn.Linear(4, 2)).eval()
    torch.export.save(torch.export.export(module, (torch.tensor([[4, 0, 1]]),)), tmp_path / "m.pt2")
    return str(tmp_path / "m.pt2")


def test_ops_of_token_ids_start_behind_the_embedding(program: str) -> None:
    with pytest.raises(UnsupportedError, match=r"no rule for: aten\.le"):
        CliRunner().invoke(app, ["ops", program], catch_exceptions=False)
    done = CliRunner().invoke(app, ["ops", program, "--source", "3"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "aten.linear.default" in done.output
    assert "relu" not in done.output
