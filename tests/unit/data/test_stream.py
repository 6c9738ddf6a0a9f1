"""Text as one row of token ids, and windows of it."""

import gzip
import hashlib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from lipcert.data import characters, corpus
from lipcert.data import stream as module
from lipcert.data.stream import held_out, require_longer, stream, streams, windows
from lipcert.data.tokens import named, of_lines, same_tokens, tokenizer_of
from lipcert.errors import InputError, UsageError

TEXT = "To be, or not to be:\nthat is the question.\n\n  Whether 'tis nobler…\r\n"


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode())
    return str(path)


def test_the_embedded_corpus_is_a_megabyte_of_plain_characters() -> None:
    found = stream("shakespeare")
    assert found.sha256 == corpus.SHA256 == hashlib.sha256(corpus.content()).hexdigest()
    assert (len(found.ids), found.vocabulary, found.ids.dtype) == (1_008_309, 78, np.uint8)
    assert all(character == "\n" or " " <= character <= "~" for character in found.tokens["characters"])
    assert b"Gutenberg" not in corpus.content()


def test_the_note_beside_the_corpus_says_what_is_in_it() -> None:
    note = files("lipcert.data.corpus").joinpath("NOTE.md").read_text(encoding="utf-8")
    assert corpus.SHA256 in note
    assert f"{len(corpus.content()):,} characters, {len(set(corpus.content()))} distinct" in note


def test_a_changed_corpus_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="changed after its installation"):
        stream("shakespeare")


def test_characters_are_numbered_by_their_code_points(text: str) -> None:
    found = stream(text)
    known = sorted(set(TEXT))
    assert "".join(known) == found.tokens["characters"]
    assert found.ids.tolist() == [known.index(character) for character in TEXT]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 7))
def test_pieces_change_nothing(content: str, piece: int) -> None:
    raw = np.frombuffer(content.encode(), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(characters, "_PIECE", piece)
        known = characters.distinct([(raw, "text")])
        ids = characters.numbered(raw, known, "text")
    assert known == "".join(sorted(set(content)))
    assert "".join(known[number] for number in ids) == content


@pytest.mark.parametrize(("size", "dtype"), [(1, "u1"), (256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")])
def test_ids_take_the_smallest_unsigned_type(size: int, dtype: str) -> None:
    assert characters.smallest(size) == np.dtype(dtype)


def test_many_characters_take_two_bytes_each(tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("".join(map(chr, range(0x4E00, 0x4E00 + 300))), encoding="utf-8")
    assert stream(str(path)).ids.dtype == np.uint16


def test_a_packed_file_is_the_same_text(tmp_path: Path, text: str) -> None:
    packed = tmp_path / "text.txt.gz"
    packed.write_bytes(gzip.compress(TEXT.encode(), mtime=0))
    assert stream(str(packed)).ids.tolist() == stream(text).ids.tolist()


def test_bytes_are_their_own_ids(text: str) -> None:
    found = stream(text, "bytes")
    assert (bytes(found.ids), found.vocabulary, found.tokens) == (TEXT.encode(), 256, {"kind": "bytes"})


def test_a_folder_is_its_texts_in_order(tmp_path: Path) -> None:
    for name, content in (("b.txt", "second\n"), ("a.txt", "first"), ("c/d.txt", "third"), ("e.md", "no")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    found = stream(str(tmp_path), "bytes")
    assert bytes(found.ids) == b"first\nsecond\nthird"


def test_several_texts_have_one_vocabulary(tmp_path: Path) -> None:
    for name in ("ab", "bc"):
        (tmp_path / name).write_text(name)
    first, second = streams([str(tmp_path / "ab"), str(tmp_path / "bc")])
    assert first.tokens == second.tokens == {"kind": "chars", "characters": "abc"}
    assert (first.ids.tolist(), second.ids.tolist()) == ([0, 1], [1, 2])


def test_a_vocabulary_of_words_numbers_the_words(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\nbe\nto\n")
    (tmp_path / "text.txt").write_text("to be or\nnot to be")
    found = stream(str(tmp_path / "text.txt"), str(tmp_path / "vocab.txt"))
    assert found.ids.tolist() == [3, 2, 0, 0, 3, 2]
    assert found.tokens["sha256"] == hashlib.sha256((tmp_path / "vocab.txt").read_bytes()).hexdigest()


def test_a_tokenizer_is_asked_for_no_special_tokens_and_pieces_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = Tokenizer(models.WordLevel({"[UNK]": 0, "be": 1, "to": 2, "[CLS]": 3}, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    fast.post_processor = processors.TemplateProcessing("[CLS] $A", special_tokens=[("[CLS]", 3)])
    fast.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "text.txt").write_text("to be\n\nor not\nto be\n")
    whole = stream(str(tmp_path / "text.txt"), str(tmp_path / "tokenizer.json"))
    monkeypatch.setattr(module, "_PIECE", 2)
    pieces = stream(str(tmp_path / "text.txt"), str(tmp_path / "tokenizer.json"))
    assert whole.ids.tolist() == pieces.ids.tolist() == [2, 1, 0, 0, 2, 1]


def test_a_missing_text_is_expected_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"novels\.txt: no such file or folder") as caught:
        stream("novels.txt")
    assert str(tmp_path / "novels.txt") in caught.value.message
    assert "nothing is downloaded" in str(caught.value.hint)
    assert "'shakespeare'" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "holds no text"), (b"a\nb\xff", r"text\.txt:2 is no UTF-8"), (gzip.compress(b"abc")[:-3], "unpacked")],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        stream(str(tmp_path / "text.txt"))


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.txt files"):
        stream(str(tmp_path))


def test_a_character_beyond_the_vocabulary_is_named_with_its_line(text: str) -> None:
    with pytest.raises(InputError, match=r"text\.txt:4 has the character '…', which is not among the 78"):
        stream(text, stream("shakespeare").tokens | {})


@pytest.mark.parametrize(("tokens", "words"), [("char", "'chars'"), ("vocab.txt", "a token a line")])
def test_tokens_that_are_none_are_refused(text: str, tokens: str, words: str) -> None:
    with pytest.raises(UsageError, match="no such file") as caught:
        stream(text, tokens)
    assert words in str(caught.value.hint)


@given(st.integers(0, 1000), st.floats(0, 1))
def test_what_is_held_out_is_the_end(count: int, share: float) -> None:
    ids = np.arange(count, dtype=np.uint16)
    train, held = held_out(ids, share)
    assert np.concatenate([train, held]).tolist() == ids.tolist()
    assert abs(len(held) - share * count) <= 0.5


def test_windows_lie_one_after_the_other_each_with_the_token_behind_it(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(bytes(range(100)))
    text = stream(str(tmp_path / "text"), "bytes")
    found = windows(text, 4, share=0.3)
    assert found.kind == "tokens"
    assert np.asarray(found.inputs)[:2].tolist() == [[70, 71, 72, 73], [74, 75, 76, 77]]
    assert found.labels.tolist() == [74, 78, 82, 86, 90, 94, 98]
    fewer = windows(text, 4, limit=2, share=0.3)
    assert (len(fewer), fewer.sha256) == (2, found.sha256)
    assert windows(text, 29, share=0.3).labels.tolist() == [99]
    assert windows(text, 5, share=0.3).sha256 != found.sha256


def test_a_text_that_is_too_short_says_how_long_it_has_to_be(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match=r"held out, 0\.1 of it, has 10 tokens.*needs 17"):
        windows(stream(str(tmp_path / "text")), 16)
    require_longer(np.zeros(17, np.uint8), 16, "this")


CHARS = {"kind": "chars", "characters": "ab"}
WORDS = {"kind": "words", "words": ["[PAD]", "[UNK]", "a"]}
FILE = {"kind": "file", "path": "v.txt", "sha256": "ab" * 32}


@pytest.mark.parametrize("tokens", [CHARS, WORDS, FILE, {"kind": "bytes"}])
def test_tokens_are_the_same_as_themselves(tokens: dict[str, object]) -> None:
    assert same_tokens(tokens, dict(tokens)) == ""
    assert same_tokens(FILE, {**FILE, "path": "elsewhere.txt"}) == ""


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        (CHARS, {"kind": "bytes"}, "are chars, and the data's are bytes"),
        (CHARS, {"kind": "chars", "characters": "bcd"}, "'c', 'd' only in the data's, 'a' only in the network's"),
        (CHARS, {"kind": "chars", "characters": "ba"}, "in another order"),
        (WORDS, {"kind": "words", "words": ["[PAD]", "[UNK]"]}, "3 words are not the data's 2: 'a' only in"),
        (FILE, {**FILE, "sha256": "cd" * 32}, "v.txt with SHA-256 abababababab…, the data's v.txt with SHA-256 cdcd"),
        (CHARS, {"kind": "chars", "characters": "abcdefghijklm"}, "and 3 more only"),
    ],
)
def test_what_differs_between_tokens_is_said(there: dict[str, object], here: dict[str, object], words: str) -> None:
    assert words in same_tokens(there, here)


def test_labelled_texts_have_a_token_that_fills_up() -> None:
    by = tokenizer_of(of_lines("chars", ["ba", "c"]))
    assert (by.ids("abc"), by.pad, by.size) == ([1, 2, 3], 0, 4)
    by = tokenizer_of(of_lines("words", ["good film .", "bad film"]))
    assert (by.ids("bad acting"), by.pad, by.size) == ([3, 1], 0, 6)
    by = tokenizer_of(of_lines("bytes", []))
    assert (by.ids("aé"), by.pad, by.size) == ([97, 195, 169], 0, 256)


def test_a_vocabulary_file_is_known_again_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("a\nb\n")
    tokens = named(str(path))
    assert tokenizer_of(tokens).ids("b a") == [1, 0]
    path.write_text("b\na\n")
    with pytest.raises(InputError, match="was trained with"):
        tokenizer_of(tokens)
    path.unlink()
    with pytest.raises(InputError, match="is not there"):
        tokenizer_of(tokens)


def test_a_text_names_its_characters(text: str) -> None:
    assert named(f"chars:{text}") == stream(text).tokens
