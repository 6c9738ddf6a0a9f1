"""What a recipe trains on: pure in step, size and seed, and apart from what is held out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lipcert.data.dataset import Dataset
from lipcert.data.stream import stream
from lipcert.errors import InputError
from lipcert.training.batches import task
from lipcert.training.examples import Examples
from lipcert.training.language import Language
from tests.unit.data.files import npz, octets


@dataclass(frozen=True)
class Recipe:
    data: str = "shakespeare"
    model: str = "gpt"
    tokens: str = "chars"
    validation: str = ""
    validation_share: float = 0.1
    arguments: Mapping[str, Any] = field(default_factory=lambda: {"context": 8})
    seed: int = 0


def counting(count: int, held: int, context: int) -> Language:
    """A text whose tokens say where they stand."""
    ids = np.arange(count + held, dtype=np.uint16)
    return Language(ids[:count], ids[count:], context, count + held, "text", "", {})


def test_the_corpus_is_a_task_of_its_characters() -> None:
    found = task(Recipe())
    assert (found.facts, found.example, found.name) == ({"vocabulary": 78}, ((8,), "int64"), "shakespeare")
    assert found.tokens["kind"] == "chars"
    x, y = found.batch(0, 4, 0)
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((4, 8), (4, 8), torch.int64, torch.int64)
    assert torch.equal(x[:, 1:], y[:, :-1])


@given(st.integers(0, 10**9), st.integers(1, 20), st.integers(0, 2**63 - 1))
def test_a_batch_depends_on_step_size_and_seed_alone(step: int, size: int, seed: int) -> None:
    text = counting(50, 20, 8)
    first = text.batch(step, size, seed)
    text.batch(step + 1, size, seed)
    again = counting(50, 20, 8).batch(step, size, seed)
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.y, first.x + 1)
    assert int(first.y.max()) < 50


def test_windows_begin_everywhere_and_steps_have_nothing_in_common() -> None:
    text = counting(1000, 20, 8)
    starts = [text.batch(step, 512, 0).x[:, 0] for step in range(40)]
    assert set(torch.cat(starts).tolist()) == set(range(992))
    for first, second in pairwise(starts):  # not the same numbers, moved along
        shared = max(int((first[shift:] == second[: 512 - shift]).sum()) for shift in range(64))
        assert shared < 16
    assert not torch.equal(starts[0], text.batch(0, 512, 1).x[:, 0])


def test_validation_goes_through_what_is_held_out_once() -> None:
    text = counting(50, 30, 8)
    batches = list(text.validation(2, None))
    assert [len(batch.x) for batch in batches] == [2, 1]
    assert torch.cat([batch.x for batch in batches]).flatten().tolist() == list(range(50, 74))
    assert [len(batch.x) for batch in text.validation(2, 1)] == [2]
    assert len(list(counting(50, 9, 8).validation(5, None))) == 1


def test_a_text_of_its_own_is_held_out_whole(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("abcabcabcabc")
    (tmp_path / "held.txt").write_text("abcdabcdab")
    found = task(Recipe(str(tmp_path / "train.txt"), validation=str(tmp_path / "held.txt")))
    assert found.facts == {"vocabulary": 4}
    [batch] = found.validation(8, None)
    assert batch.x.tolist() == [[0, 1, 2, 3, 0, 1, 2, 3]]
    assert found.sha256 != stream(str(tmp_path / "train.txt")).sha256


@pytest.mark.parametrize(
    ("length", "words"), [(20, r"what is held out, 0\.1 of .*has 2 tokens.*needs 9"), (8, "what is trained on")]
)
def test_a_text_that_is_too_short_for_the_context_is_refused(tmp_path: Path, length: int, words: str) -> None:
    (tmp_path / "text.txt").write_text("x" * length)
    with pytest.raises(InputError, match=words):
        task(Recipe(str(tmp_path / "text.txt")))


def test_loss_and_accuracy_are_means_over_positions() -> None:
    found = counting(50, 30, 4)
    y = torch.tensor([[0, 1, 2, 0]])
    logits = torch.full((1, 4, 3), 0.0)
    assert float(found.loss(logits, y)) == pytest.approx(np.log(3))
    assert found.right(torch.eye(3)[[0, 1, 1, 1]][None], y) == (2, 4)
    assert found.right(torch.eye(3)[:2], torch.tensor([0, 2])) == (1, 2)


def images(tmp_path: Path, **more: Any) -> Recipe:
    stored = {"x": octets(20, 4, 4), "y": np.arange(20) % 3}
    return Recipe(npz(tmp_path / "data.npz", **{**stored, **more}), "mlp", arguments={"widths": [16, 3]})


def test_images_are_shuffled_and_a_share_is_held_out(tmp_path: Path) -> None:
    found = task(images(tmp_path))
    assert (found.facts, found.example) == ({"classes": 3, "shape": (1, 4, 4)}, ((1, 4, 4), "float32"))
    [held] = found.validation(8, None)
    assert (held.x.shape, held.x.dtype, held.y.dtype) == ((2, 1, 4, 4), torch.float32, torch.int64)
    epoch = [found.batch(step, 6, 0) for step in range(3)]
    seen = torch.cat([batch.x for batch in epoch] + [held.x]).flatten(1)
    assert len(torch.unique(seen, dim=0)) == 20
    assert torch.equal(found.batch(1, 6, 0).x, task(images(tmp_path)).batch(1, 6, 0).x)


@given(st.integers(1, 45), st.integers(0, 9))
def test_every_example_comes_once_an_epoch(size: int, seed: int) -> None:
    rows = np.arange(18, dtype=np.float32)[:, None]
    data = Dataset(rows, np.zeros(18, np.int64), 1, "numbers", "", "vectors")
    found = Examples((data, np.arange(18)), (data, np.arange(0)), {}, "numbers", "", {})
    seen = torch.cat([found.batch(step, size, seed).x[:, 0] for step in range(40)]).tolist()
    for epoch in range(len(seen) // 18):
        assert len(set(seen[18 * epoch : 18 * (epoch + 1)])) == 18
    assert seen[:18] != seen[18:36]


def test_the_test_set_beside_the_training_set_is_held_out(tmp_path: Path) -> None:
    path = npz(
        tmp_path / "both.npz",
        x_train=octets(6, 4, 4), y_train=np.arange(6) % 2, x_test=octets(4, 4, 4, seed=1), y_test=np.zeros(4, int),
    )  # fmt: skip
    found = task(Recipe(path, "mlp", arguments={"widths": [16, 2]}))
    assert sum(len(batch.x) for batch in found.validation(3, None)) == 4
    assert len(torch.unique(found.batch(0, 6, 0).x.flatten(1), dim=0)) == 6


def test_a_label_beyond_the_classes_is_refused(tmp_path: Path) -> None:
    path = npz(
        tmp_path / "both.npz",
        x_train=octets(6, 4, 4), y_train=np.arange(6) % 2, x_test=octets(4, 4, 4), y_test=np.full(4, 2),
    )  # fmt: skip
    with pytest.raises(InputError, match=r"has a label 2, and .* has classes 0 to 1"):
        task(Recipe(path, "mlp", arguments={"widths": [16, 2]}))


def test_two_sets_of_different_shapes_are_refused(tmp_path: Path) -> None:
    other = npz(tmp_path / "other.npz", x=octets(4, 5, 5), y=np.zeros(4, int))
    recipe = images(tmp_path)
    with pytest.raises(InputError, match=r"shape \(1, 4, 4\).*shape \(1, 5, 5\)"):
        task(Recipe(recipe.data, "mlp", validation=other, arguments=recipe.arguments))


def test_too_few_examples_are_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "one.npz", x=octets(1, 4, 4), y=np.zeros(1, int))
    with pytest.raises(InputError, match="none is left"):
        task(Recipe(path, "mlp", arguments={"widths": [16, 1]}))


LINES = "0 good film\n1 bad film\n0 good good good\n1 bad plot\n"


@pytest.mark.parametrize(("tokens", "vocabulary"), [("words", 6), ("chars", 13), ("bytes", 256)])
def test_labelled_texts_are_padded_to_the_context(tmp_path: Path, tokens: str, vocabulary: int) -> None:
    (tmp_path / "lines.txt").write_text(LINES)
    found = task(Recipe(str(tmp_path / "lines.txt"), "encoder", tokens, arguments={"context": 16}))
    assert (found.facts, found.example) == ({"vocabulary": vocabulary, "classes": 2}, ((16,), "int64"))
    x, y = found.batch(0, 3, 0)
    assert (x.shape, x.dtype, y.shape) == ((3, 16), torch.int64, (3,))
    assert int(x.max()) < vocabulary
    assert bool((x[:, -1] == 0).all())


def test_words_are_those_that_are_trained_on(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(LINES)
    (tmp_path / "held.txt").write_text("0 good acting\n")
    paths = {"data": str(tmp_path / "train.txt"), "validation": str(tmp_path / "held.txt")}
    found = task(Recipe(**paths, model="encoder", tokens="words", arguments={"context": 4}))
    assert found.tokens["words"] == ["[PAD]", "[UNK]", "bad", "film", "good", "plot"]
    assert next(found.validation(1, None)).x.tolist() == [[4, 1, 0, 0]]


@pytest.mark.parametrize(
    ("model", "arguments", "words"),
    [("encoder", {"context": 2}, "3 tokens and the network takes 2"), ("mlp", {"widths": [4, 2]}, "holds text")],
)
def test_text_that_does_not_suit_the_model_is_refused(
    tmp_path: Path, model: str, arguments: dict[str, Any], words: str
) -> None:
    (tmp_path / "lines.txt").write_text(LINES)
    with pytest.raises(InputError, match=words):
        task(Recipe(str(tmp_path / "lines.txt"), model, "words", arguments=arguments))


def test_stored_ids_are_taken_as_they_are(tmp_path: Path) -> None:
    path = npz(tmp_path / "ids.npz", x=np.arange(20, dtype=np.int64).reshape(5, 4), y=np.arange(5) % 2)
    found = task(Recipe(path, "encoder", arguments={"context": 4}))
    assert (found.facts, found.tokens) == ({"vocabulary": 20, "classes": 2}, {})
    with pytest.raises(InputError, match="rows of 4 tokens, and the context is 3"):
        task(Recipe(path, "encoder", arguments={"context": 3}))
