"""Data from the user's own code."""

from pathlib import Path

import numpy as np
import pytest

from lipcert.data.read import read
from lipcert.errors import InputError, UsageError

CODE = """
import numpy as np, torch
def tensors(): return torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2])
def texts(): return ["a", "b"], [0, 1]
def ids(): return [[1, 2], [3, 4]], [0, 1]
def pixels(): return np.zeros((2, 4, 4), np.uint8), [0, 1]
def ragged(): return [[1.0], [1.0, 2.0]], [0, 1]
def uneven(): return np.zeros((3, 2)), [0, 1]
def texts_uneven(): return ["a"], [0, 1]
def alone(): return np.zeros((3, 2))
def words(): return np.array(["a", "b"]), [0, 1]
def fails(): raise OSError("the disk is gone")
constant = 3
"""


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.py").write_text(CODE)
    (tmp_path / "own_data_module.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("place", ["own.py", "own_data_module"])
def test_what_a_function_returns_is_taken_as_it_is(place: str) -> None:
    found = read(f"{place}:tensors", limit=2)
    assert (found.kind, found.shape, found.labels.tolist()) == ("images", (2, 2), [0, 1])
    assert found.inputs[0].dtype == np.float32
    assert found.sha256 == read(f"{place}:tensors").sha256
    texts, ids = read(f"{place}:texts"), read(f"{place}:ids")
    assert (texts.kind, texts.inputs) == ("text", ["a", "b"])
    assert (ids.kind, ids.inputs[1].tolist()) == ("tokens", [3, 4])  # type: ignore[union-attr]
    assert len({found.sha256, texts.sha256, ids.sha256}) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pixels", "returned uint8"),
        ("ragged", "no array"),
        ("uneven", r"inputs of shape \(3, 2\) and labels of \(2,\)"),
        ("texts_uneven", "returned 1 texts and 2 labels"),
        ("alone", "returned ndarray, no pair"),
        ("words", "no numbers"),
        ("fails", "raised OSError: the disk is gone"),
    ],
)
def test_anything_else_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(f"own.py:{name}")


@pytest.mark.parametrize("spec", ["own.py:missing", "own.py:constant", "other.py:f", "no_such_module:f"])
def test_a_function_that_is_not_there_is_a_usage_error(spec: str) -> None:
    with pytest.raises(UsageError, match="--data"):
        read(spec)


def test_code_that_does_not_import_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 +")
    with pytest.raises(InputError, match="importing it raised SyntaxError"):
        read("broken.py:f")
