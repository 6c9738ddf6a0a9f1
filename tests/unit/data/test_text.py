"""Labelled lines, and their tokens."""

import gzip
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from lipcert.data.dataset import fit
from lipcert.data.encode import encode
from lipcert.data.read import read
from lipcert.data.tokenizer import tokenizer
from lipcert.errors import InputError, UsageError


def lines(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "dev.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def vocabulary(tmp_path: Path, *tokens: str) -> str:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(tokens) + "\n")
    return str(path)


def test_a_line_is_a_label_and_a_text(tmp_path: Path) -> None:
    found = read(lines(tmp_path, "0 one long string .\r\n12\ta  film, naïve \n"))
    assert found.inputs == ["one long string .", "a  film, naïve "]
    assert found.labels.tolist() == [0, 12]
    assert (found.kind, found.shape, found.range) == ("text", None, None)
    assert "text that is not made into token ids yet" in fit(found, (5,))
    assert read(lines(tmp_path, gzip.compress(b"1 a\n2 b", mtime=0))).labels.tolist() == [1, 2]
    assert read(lines(tmp_path, "1 a\nnonsense"), limit=1).inputs == ["a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0 a\nno label\n", r"dev\.txt:2 is 'no label'"),
        ("0 a\n\n1 b\n", r"dev\.txt:2 is ''"),
        ("0 a\n1 \n", r"dev\.txt:2 is '1 '"),
        ("1.5 a", r"dev\.txt:1 is '1\.5 a'"),
        ("", r"dev\.txt:1 is ''"),
        ("0 a\n-1 b", "label of row 1 is -1"),
        (b"0 a\n1 \xff", r"dev\.txt:2 is no UTF-8"),
        (gzip.compress(b"0 a\n1 b", mtime=0)[:-3], "cannot be unpacked"),
    ],
)
def test_lines_that_are_none_are_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(lines(tmp_path, content))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))))
)
def test_every_text_comes_back(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, str]]) -> None:
    pairs = [(0, "x"), *((label, f"x{text}x") for label, text in pairs)]
    path = lines(tmp_path_factory.mktemp("text"), "\n".join(f"{label} {text}" for label, text in pairs))
    found = read(path)
    assert list(zip(found.labels.tolist(), found.inputs, strict=True)) == pairs


def test_words_have_the_number_of_their_line_and_a_frame(tmp_path: Path) -> None:
    by = tokenizer(vocabulary(tmp_path, "[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "film"))
    found = read(lines(tmp_path, "1 good film\n0 bad"))
    free = encode(found, by)
    assert [row.tolist() for row in free.inputs] == [[2, 4, 5, 3], [2, 1, 3]]  # type: ignore[union-attr]
    assert "different lengths" in fit(free, (4,))
    even = encode(found, by, 5)
    assert even.inputs[:].tolist() == [[2, 4, 5, 3, 0], [2, 1, 3, 0, 0]]  # type: ignore[union-attr]
    assert (even.kind, fit(even, (5,))) == ("tokens", "")
    assert even.sha256 not in (found.sha256, by.sha256)
    with pytest.raises(InputError, match="row 0, the longest, has 4 tokens and the network takes 3"):
        encode(found, by, 3)
    with pytest.raises(InputError, match="holds tokens, no text"):
        encode(even, by)


def test_an_unknown_word_is_named_where_nothing_stands_for_it(tmp_path: Path) -> None:
    by = tokenizer(vocabulary(tmp_path, "good", "film"))
    with pytest.raises(InputError, match="row 1: the word 'bad' is not in"):
        encode(read(lines(tmp_path, "1 good\n0 good bad")), by)
    with pytest.raises(InputError, match="no token of the vocabulary fills up"):
        encode(read(lines(tmp_path, "1 good")), by, 2)
    assert encode(read(lines(tmp_path, "1 film good")), by, 2).inputs[0].tolist() == [1, 0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["good", "good"], r"vocab\.txt:2: 'good' stands on line 1 too"),
        (["good", ""], r"vocab\.txt:2: '' is no single word"),
        (["a b"], r"vocab\.txt:1: 'a b' is no single word"),
        (["good", "##ness"], r"vocab\.txt:2: '##ness' is a piece of a word"),
    ],
)
def test_a_vocabulary_that_is_none_is_refused(tmp_path: Path, tokens: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tokenizer(vocabulary(tmp_path, *tokens))


def test_characters_are_numbered_by_their_code_points(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("banana é\n")
    by = tokenizer(f"chars:{tmp_path / 'corpus.txt'}")
    assert by.size == 6
    assert by.ids("né a") == [4, 5, 1, 2]
    with pytest.raises(InputError, match="row 0: the character 'x' does not occur"):
        encode(read(lines(tmp_path, "0 ax")), by)


def test_a_hugging_face_tokenizer_neither_cuts_nor_pads(tmp_path: Path) -> None:
    fast = Tokenizer(models.WordLevel({"<pad>": 0, "good": 1, "film": 2, "[UNK]": 3}, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    fast.enable_truncation(2)
    fast.enable_padding(length=9)
    fast.save(str(tmp_path / "tokenizer.json"))
    by = tokenizer(str(tmp_path / "tokenizer.json"))
    assert by.ids("good film bad") == [1, 2, 3]
    assert (by.size, by.pad) == (4, 0)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"is no tokenizer\.json"):
        tokenizer(str(tmp_path / "tokenizer.json"))


def test_without_the_package_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UsageError, match="needs the package tokenizers") as refusal:
        tokenizer("tokenizer.json")
    assert "lipcert[hf]" in refusal.value.hint
