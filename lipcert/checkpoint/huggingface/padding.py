"""Which token fills texts up: what the config and the tokenizer of a folder say, and that both say the same."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lipcert.checkpoint import plain_json
from lipcert.checkpoint.huggingface.folder import CONFIG, TOKENIZER
from lipcert.errors import InputError

_NAMED = ("tokenizer_config.json", "special_tokens_map.json")


def padding(folder: Path, pad_token_id: int | None) -> int | None:
    """Its id; None where nothing names one. pad_token_id: of the config.

    Raises InputError where two are named, as nobody knows then which one the texts were filled up with.
    """
    found = [(CONFIG, pad_token_id)] if pad_token_id is not None else []
    found += _by_tokenizer(folder)
    if len({token for _, token in found}) > 1:
        listed = ", ".join(f"{token} in {file}" for file, token in found)
        raise InputError(
            f"{folder}: the token that fills texts up has several ids: {listed}. It is masked, so it has to be known.",
            hint=f"Correct the file that is wrong: pad_token_id in {CONFIG}, pad_token in {_NAMED[0]}, "
            f"padding in {TOKENIZER}.",
        )
    return found[0][1] if found else None


def _by_tokenizer(folder: Path) -> Iterator[tuple[str, int]]:
    """The files that name a token, each with its id; a token of unknown id says nothing about ids."""
    own = _table(folder / TOKENIZER)
    filled = own.get("padding")
    if isinstance(filled, Mapping) and isinstance(filled.get("pad_id"), int):
        yield TOKENIZER, filled["pad_id"]
    ids = _ids(folder, own)
    for name in _NAMED:
        token = _table(folder / name).get("pad_token")
        token = token.get("content") if isinstance(token, Mapping) else token
        if isinstance(token, str) and token in ids:
            yield name, ids[token]


def _ids(folder: Path, own: Mapping[str, Any]) -> dict[str, int]:
    """Token → id, by all files that a tokenizer may have."""
    model = own.get("model")
    vocabulary = model.get("vocab") if isinstance(model, Mapping) else None
    lines = folder / "vocab.txt"
    ids = _listed(lines.read_text(encoding="utf-8").splitlines()) if lines.is_file() else {}
    ids |= _table(folder / "vocab.json") | _table(folder / "added_tokens.json")
    if isinstance(vocabulary, Mapping):
        ids |= vocabulary
    elif isinstance(vocabulary, list):
        ids |= _listed([piece[0] if isinstance(piece, list) and piece else None for piece in vocabulary])
    added = own.get("added_tokens")
    ids |= {each.get("content"): each.get("id") for each in added or [] if isinstance(each, Mapping)}
    decoder = _table(folder / _NAMED[0]).get("added_tokens_decoder")
    if isinstance(decoder, Mapping):
        ids |= {each.get("content"): int(number) for number, each in decoder.items() if number.isdecimal()}
    return {token: number for token, number in ids.items() if isinstance(token, str) and isinstance(number, int)}


def _listed(tokens: list[Any]) -> dict[Any, Any]:
    return {token: number for number, token in enumerate(tokens)}


def _table(file: Path) -> dict[str, Any]:
    """{} where there is no such file."""
    return plain_json.table(file) if file.is_file() else {}
