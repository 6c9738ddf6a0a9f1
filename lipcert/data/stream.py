"""Text to be continued: one long row of token ids, its last part held out, and windows of it as examples."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lipcert.checkpoint.hashing import file_sha256
from lipcert.data import corpus, files
from lipcert.data.characters import Ids, distinct, numbered, smallest
from lipcert.data.dataset import Dataset
from lipcert.data.tokenizer import BYTES, Tokenizer
from lipcert.data.tokens import CHARS, Tokens, digest, named, tokenizer_of
from lipcert.errors import InputError
from lipcert.named import here

SHARE = 0.1
"""Of a text, its end: what is held out where nothing else is said."""

_WHERE = (
    "Put a text in UTF-8 there, plain or .gz, or a folder of .txt files; nothing is downloaded. The text "
    f"{corpus.NAME!r} is in the package."
)
_PIECE = 1 << 20


@dataclass(frozen=True)
class Stream:
    """ids: (n,), all below `vocabulary`. name: as it was asked for.

    sha256: of the file, of the names and hashes of a folder's files, or of the embedded text; whatever the tokens.
    tokens: how the text became ids, as `lipcert.data.tokens` has it.
    """

    ids: Ids
    vocabulary: int
    name: str
    sha256: str
    tokens: Tokens


class _Text(NamedTuple):
    name: str
    raw: NDArray[np.uint8]
    sha256: str


def stream(spec: str, tokens: str | Mapping[str, Any] = CHARS) -> Stream:
    """The text that `spec` names: "shakespeare", a file, plain or packed by gzip, or a folder of .txt files.

    A folder's files are taken in the order of their paths, each from a line of its own.
    tokens: "chars", "bytes" or a vocabulary, as `tokenizer` takes it; or what a checkpoint says of its own.
    Raises InputError where the text cannot be read, or holds what is no token.
    """
    return streams([spec], tokens)[0]


def streams(specs: Sequence[str], tokens: str | Mapping[str, Any] = CHARS) -> list[Stream]:
    """Several texts with one vocabulary: the characters are those of all of them."""
    texts = [_read(spec) for spec in specs]
    said = dict(tokens) if isinstance(tokens, Mapping) else _said(tokens, texts)
    size, ids = _encoder(said)
    return [Stream(ids(text), size, text.name, text.sha256, said) for text in texts]


def held_out(ids: Ids, share: float) -> tuple[Ids, Ids]:
    """What is trained on, and the end that is not."""
    cut = len(ids) - round(share * len(ids))
    return ids[:cut], ids[cut:]


def require_longer(ids: Ids, context: int, what: str) -> None:
    """Raises InputError where there is no window of `context` tokens with a token after it."""
    if len(ids) <= context:
        raise InputError(
            f"{what} has {len(ids)} tokens, and one window of the context {context} with the token after it needs "
            f"{context + 1}",
            hint="Take a longer text, a shorter context, or hold out another share.",
        )


def windows(text: Stream, context: int, limit: int | None = None, share: float = SHARE) -> Dataset:
    """The windows of what is held out, one after the other, each with the token after it as its label."""
    _, ids = held_out(text.ids, share)
    require_longer(ids, context, f"the part of {text.name} that is held out, {share:g} of it,")
    count = (len(ids) - 1) // context
    count = count if limit is None else min(limit, count)
    inputs = ids[: count * context].reshape(count, context).astype(np.int64)
    labels = ids[context : count * context + 1 : context].astype(np.int64)
    sha256 = hashlib.sha256(f"{text.sha256}\n{digest(text.tokens)}\n{context}\n{share!r}\n".encode()).hexdigest()
    return Dataset(inputs, labels, text.vocabulary, text.name, sha256, "tokens")


def _read(spec: str) -> _Text:
    path = here(spec)
    if path.is_dir():
        return _folder(path, spec)
    if path.is_file():
        return _filled(_Text(spec, files.octets(path), file_sha256(path)))
    if spec == corpus.NAME:
        return _Text(spec, np.frombuffer(corpus.content(), np.uint8), corpus.SHA256)
    raise InputError(f"{spec}: no such file or folder; it is expected at {path.absolute()}", hint=_WHERE)


def _folder(path: Path, spec: str) -> _Text:
    found = sorted(each for each in path.rglob("*.txt") if each.is_file())
    if not found:
        raise InputError(f"{path} has no .txt files in it", hint=_WHERE)
    raw = b"\n".join(files.content(each).removesuffix(b"\n") for each in found)
    return _filled(_Text(spec, np.frombuffer(raw, np.uint8), files.files_sha256(path, found)))


def _filled(text: _Text) -> _Text:
    if not len(text.raw):
        raise InputError(f"{text.name} holds no text", hint=_WHERE)
    return text


def _said(tokens: str, texts: list[_Text]) -> Tokens:
    if tokens != CHARS:
        return named(tokens)
    return {"kind": CHARS, "characters": distinct((text.raw, text.name) for text in texts)}


def _encoder(tokens: Tokens) -> tuple[int, Callable[[_Text], Ids]]:
    """How many ids there are, and what makes them of a text."""
    if tokens["kind"] == BYTES:
        return 256, lambda text: text.raw
    if tokens["kind"] == CHARS:
        characters: str = tokens["characters"]
        return len(characters), lambda text: numbered(text.raw, characters, text.name)
    by = tokenizer_of(tokens)
    return by.size, lambda text: _tokenized(text, by)


def _tokenized(text: _Text, by: Tokenizer) -> Ids:
    try:
        parts = [np.array(by.ids(piece, framed=False), smallest(by.size)) for piece in _pieces(text)]
    except InputError as error:
        raise InputError(f"{text.name}: {error.message}", hint=error.hint) from error
    return np.concatenate(parts)


def _pieces(text: _Text) -> Iterator[str]:
    """About a megabyte each, cut where a line begins with no white space: no tokenizer joins across that."""
    whole = files.decoded(text.raw.tobytes(), text.name)
    start = 0
    while start < len(whole):
        stop = start + _PIECE
        while stop < len(whole) and (whole[stop - 1] != "\n" or whole[stop].isspace()):
            stop += 1
        yield whole[start:stop]
        start = stop
