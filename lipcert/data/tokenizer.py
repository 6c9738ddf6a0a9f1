"""Text → token ids: by words, by characters, by bytes, or as a Hugging Face tokenizer does it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lipcert.checkpoint.hashing import file_sha256
from lipcert.data.files import text
from lipcert.errors import InputError, UsageError
from lipcert.named import here

BYTES, CHARACTERS = "bytes", "chars:"
PAD, UNK, NUL = "[PAD]", "[UNK]", "\0"
"""The tokens that fill up, a word that is not known, and the character that fills up where it is in a vocabulary."""

_CLS, _SEP = "[CLS]", "[SEP]"
_PADS = (PAD, "<pad>", "<|pad|>")
_SHOWN = 60


@runtime_checkable
class Tokenizer(Protocol):
    """size: how many ids there are. pad: the id that fills a row up, if there is one. sha256: of the file."""

    @property
    def size(self) -> int: ...
    @property
    def pad(self) -> int | None: ...
    @property
    def sha256(self) -> str: ...
    def ids(self, line: str, *, framed: bool = True) -> list[int]:
        """framed: with the tokens that mark beginning and end, where there are such.

        Raises InputError for what is not in the vocabulary and has no id that stands for it.
        """
        ...


def tokenizer(spec: str) -> Tokenizer:
    """What "bytes" or a vocabulary file says: FILE with one token a line, chars:FILE, or tokenizer.json.

    Raises InputError where the file cannot be read as that, UsageError where a package is missing.
    """
    if spec == BYTES:
        return Bytes()
    if spec.startswith(CHARACTERS):
        path = here(spec.removeprefix(CHARACTERS))
        return Characters(
            dict(zip(sorted(set(text(path))), range(0x110000), strict=False)), file_sha256(path), str(path)
        )
    path = here(spec)
    return HuggingFace(path) if path.suffix == ".json" else words(path)


@dataclass(frozen=True)
class Words:
    """Tokens between white space; [CLS] in front and [SEP] behind where the vocabulary has them."""

    vocabulary: dict[str, int]
    sha256: str
    name: str

    @property
    def size(self) -> int:
        return len(self.vocabulary)

    @property
    def pad(self) -> int | None:
        return self.vocabulary.get(PAD)

    def ids(self, line: str, *, framed: bool = True) -> list[int]:
        known, unknown = self.vocabulary, self.vocabulary.get(UNK)
        inner = [known.get(word, unknown) for word in line.split()]
        if None in inner:
            word = line.split()[inner.index(None)]
            raise InputError(
                f"the word {word[:_SHOWN]!r} is not in {self.name}", hint=f"Add it, or {UNK} for all such."
            )
        whole = [known.get(_CLS), *inner, known.get(_SEP)] if framed else inner
        return [token for token in whole if token is not None]


def words(path: Path) -> Words:
    """The vocabulary in a file: the token of id i on line i + 1."""
    lines = [line.removesuffix("\r") for line in text(path).removesuffix("\n").split("\n")]
    vocabulary: dict[str, int] = {}
    for number, token in enumerate(lines, 1):
        if not token or token.split() != [token] or token in vocabulary:
            seen = f"stands on line {vocabulary[token] + 1} too" if token in vocabulary else "is no single word"
            raise InputError(f"{path}:{number}: {token[:_SHOWN]!r} {seen}", hint="One token a line, each once.")
        if token.startswith("##"):
            raise InputError(
                f"{path}:{number}: {token!r} is a piece of a word, and pieces are not found by white space",
                hint="Give the tokenizer.json of the same network.",
            )
        vocabulary[token] = number - 1
    return Words(vocabulary, file_sha256(path), str(path))


@dataclass(frozen=True)
class Characters:
    """A token a character: the distinct characters of a text, in the order of their code points, as nanoGPT has it."""

    vocabulary: dict[str, int]
    sha256: str
    name: str

    @property
    def size(self) -> int:
        return len(self.vocabulary)

    @property
    def pad(self) -> int | None:
        return self.vocabulary.get(NUL)

    def ids(self, line: str, *, framed: bool = True) -> list[int]:
        missing = next((character for character in line if character not in self.vocabulary), None)
        if missing is not None:
            raise InputError(
                f"the character {missing!r} does not occur in {self.name}", hint="Name the text that it was trained on."
            )
        return [self.vocabulary[character] for character in line]


class Bytes:
    """A token a byte of UTF-8; NUL, which no text has, fills up."""

    size = 256
    pad = 0
    sha256 = hashlib.sha256(b"bytes").hexdigest()

    def ids(self, line: str, *, framed: bool = True) -> list[int]:
        return list(line.encode())


class HuggingFace:
    """`tokenizer.json`, with its special tokens, and without the cutting and padding that may be set in it."""

    def __init__(self, path: Path) -> None:
        try:
            from tokenizers import Tokenizer as Fast  # type: ignore[import-untyped,unused-ignore]
        except ModuleNotFoundError:
            raise UsageError(
                f"{path} needs the package tokenizers, which is not installed", hint="pip install 'lipcert[hf]'"
            ) from None
        try:
            self._fast: Any = Fast.from_str(text(path))
        except InputError:
            raise
        except Exception as error:  # the package raises no narrower type
            raise InputError(f"{path} is no tokenizer.json: {error}", hint="Save it with save_pretrained.") from error
        self._fast.no_padding()
        self._fast.no_truncation()
        self.sha256 = file_sha256(path)
        self.size: int = self._fast.get_vocab_size()
        found = (self._fast.token_to_id(token) for token in _PADS)
        self.pad: int | None = next((token for token in found if token is not None), None)

    def ids(self, line: str, *, framed: bool = True) -> list[int]:
        ids: list[int] = self._fast.encode(line, add_special_tokens=framed).ids
        return ids
